/** Whether an answer is what its type promises: the daemon may be another program, or of a version that was never released. */
import { readFileSync } from 'node:fs';

/** The files of packaging/schema/ that are needed for this. */
export type AnswerName = 'status' | 'peers' | 'users' | 'contact' | 'reload' | 'event';

/** The part of JSON Schema in these files that says which types values have. A new value of a list of values is not a fault. */
interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly const?: unknown;
  readonly type?: string | readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

const schemas = new Map<AnswerName, Schema>();

export function fitsSchema(name: AnswerName, answer: unknown): boolean {
  const schema = schemas.get(name) ?? read(name);
  schemas.set(name, schema);
  return fits(answer, schema, schema);
}

function read(name: AnswerName): Schema {
  const file = new URL(`../../packaging/schema/${name}.schema.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Schema;
}

function fits(value: unknown, schema: Schema, whole: Schema): boolean {
  if (schema.$ref !== undefined) return fits(value, definitionOf(schema.$ref, whole), whole);
  if (schema.anyOf !== undefined) return schema.anyOf.some((part) => fits(value, part, whole));
  if (schema.const !== undefined) return value === schema.const;
  if (schema.type === 'object') return isObject(value) && hasFields(value, schema, whole);
  if (schema.type === 'array')
    return Array.isArray(value) && value.every((item) => fits(item, schema.items ?? {}, whole));
  if (schema.type === 'integer') return Number.isInteger(value);
  return [schema.type].flat().includes(typeof value);
}

function definitionOf($ref: string, { definitions = {} }: Schema): Schema {
  return definitions[$ref.replace('#/definitions/', '')]!;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasFields(value: Readonly<Record<string, unknown>>, schema: Schema, whole: Schema): boolean {
  const { required = [], properties = {}, additionalProperties } = schema;
  if (!required.every((name) => Object.hasOwn(value, name))) return false;
  return Object.entries(value).every(([name, part]) => {
    const field = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    return field === undefined || fits(part, field, whole);
  });
}
