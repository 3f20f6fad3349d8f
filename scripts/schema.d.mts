/** The text of each file that `npm run schema` makes, by its path in the repository. */
export function schemaFiles(): ReadonlyMap<string, string>;
