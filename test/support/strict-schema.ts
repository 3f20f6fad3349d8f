/** The JSON Schemas of packaging/schema/, for tests: an object of this version has no field that they do not describe. */
import { readFileSync, readdirSync } from 'node:fs';
import { z } from 'zod';

const FOLDER = new URL('../../packaging/schema/', import.meta.url);
const END = '.schema.json';

export function schemaNames(): string[] {
  return readdirSync(FOLDER)
    .map((name) => name.slice(0, -END.length))
    .sort();
}

export function readSchema(name: string): object {
  return JSON.parse(readFileSync(new URL(name + END, FOLDER), 'utf8')) as object;
}

/** The faults of an object, each with its place; none of a good one. `name`: of the schema's file. */
export function faultsOf(name: string, value: unknown): string[] {
  const { error } = z
    .fromJSONSchema(closed(readSchema(name)) as z.core.JSONSchema.JSONSchema)
    .safeParse(value);
  return error === undefined ? [] : linesOf(error.issues, []);
}

/** The same schema without further fields. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, closed(part)]));
  return 'properties' in schema ? { ...parts, additionalProperties: false } : parts;
}

/** Of a choice, the faults of the nearest alternative. */
function linesOf(issues: readonly z.core.$ZodIssue[], above: readonly PropertyKey[]): string[] {
  return issues.flatMap((issue) => {
    const path = [...above, ...issue.path];
    if (issue.code !== 'invalid_union' || issue.errors.length === 0)
      return [`${path.map(String).join('.')}: ${issue.message}`];
    const fewest = issue.errors.toSorted((a, b) => a.length - b.length)[0]!;
    return linesOf(fewest, path);
  });
}
