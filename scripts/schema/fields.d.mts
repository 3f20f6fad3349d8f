export type Fields = Readonly<Record<string, string>>;
/** By `TYPE.FIELD`; of a type that is a choice, by `TYPE`. */
export function fieldsOf(schemas: Readonly<Record<string, object>>): Fields;
/** What would break a program that relies on `before`; empty where there are only additions. */
export function changesOf(before: Fields, now: Fields): string[];
/** The fields in a text that `npm run schema` has made. */
export function fieldsIn(text: string): Fields;
