/** The objects for programs: their schemas and documentation are those of their declarations, and no field has changed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { changesOf, fieldsIn, fieldsOf } from '../scripts/schema/fields.mjs';
import type { Fields } from '../scripts/schema/fields.mjs';
import { schemaFiles } from '../scripts/schema.mjs';
import { readSchema, schemaNames } from './support/strict-schema.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const read = (path: string): string => readFileSync(ROOT + path, 'utf8');
const schemas = Object.fromEntries(schemaNames().map((name) => [name, readSchema(name)]));

describe('the files that "npm run schema" makes are those of this version', () => {
  const files = schemaFiles();

  test.for([...files.keys()])('%s', (path) => {
    expect(files.get(path)).toBe(read(path));
  });

  test('there are no others', () => {
    const made = [...files.keys()].filter((path) => path.startsWith('packaging/schema/'));
    expect(made.toSorted()).toEqual(schemaNames().map((name) => `packaging/schema/${name}.schema.json`));
  });
});

test('the table of docs/guide/log.md has the events, levels and fields of the schema', () => {
  const { definitions } = schemas['log'] as { readonly definitions: Readonly<Record<string, ObjectPart>> };
  const common = Object.keys(definitions['ErrorLine']!.properties!);
  const events = Object.values(definitions).flatMap(({ properties = {} }) => {
    const { event, level } = properties;
    const fields = Object.keys(properties).filter((name) => !common.includes(name));
    return (event?.enum ?? [event?.const]).map((name) => rowOf(String(name), String(level?.const), fields));
  });
  const rows = [...read('docs/guide/log.md').matchAll(/^\| `([a-z-]+)` \| (\w+) \| [^|]+ \| ([^|]*)\|$/gm)];
  const documented = rows.map(([, event, level, fields]) =>
    rowOf(
      event!,
      level!,
      [...fields!.matchAll(/`(\w+)`/g)].map(([, field]) => field!),
    ),
  );
  expect(documented.length).toBeGreaterThan(20);
  expect(documented.toSorted()).toEqual(events.filter((row) => !row.startsWith('undefined')).toSorted());
});

function rowOf(event: string, level: string, fields: readonly string[]): string {
  return `${event} ${level} ${fields.toSorted().join(' ')}`;
}

interface ObjectPart {
  readonly properties?: Readonly<Record<string, Part>>;
}

interface Part {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly unit?: string;
  readonly description?: string;
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Part>>;
  readonly additionalProperties?: Part;
  readonly items?: Part;
}

/** All parts of a schema that describe a value, by their path. */
function partsOf(schema: unknown, path: string): [string, Part][] {
  if (typeof schema !== 'object' || schema === null) return [];
  const below = Object.entries(schema).flatMap(([key, part]) => partsOf(part, `${path}.${key}`));
  return 'type' in schema || '$ref' in schema ? [[path, schema as Part], ...below] : below;
}

const parts = Object.entries(schemas).flatMap(([name, schema]) => partsOf(schema, name));

test('each field is described, by itself or by its type', () => {
  const fields = parts.filter(([path]) => /\.properties\.[^.]+$/.test(path));
  expect(fields.length).toBeGreaterThan(80);
  const described = ([path, { description, $ref }]: (typeof parts)[number]): boolean =>
    description !== undefined ||
    parts.some(
      ([other, part]) =>
        other === `${path.split('.')[0]}.${$ref?.slice(2).replace('/', '.')}` &&
        part.description !== undefined,
    );
  expect(fields.filter((field) => !described(field))).toEqual([]);
});

test('each number has a unit', () => {
  const numbers = parts.filter(
    ([, part]) => ['number', 'integer'].includes(part.type ?? '') && part.const === undefined,
  );
  expect(numbers.length).toBeGreaterThan(30);
  expect(numbers.filter(([, { unit }]) => unit === undefined)).toEqual([]);
});

describe('fields are added, never changed', () => {
  const before = fieldsIn(read('test/json-fields.txt'));

  test('no field differs from that of earlier versions', () => {
    expect(Object.keys(before).length).toBeGreaterThan(80);
    expect(changesOf(before, fieldsOf(schemas))).toEqual([]);
  });

  const was = { 'It.size': 'integer in octets', 'It.kind': 'optional "a" | "b"' };

  test.for<[string, Fields, string[]]>([
    ['a field more', { ...was, 'It.more': 'string' }, []],
    ['a value more', { ...was, 'It.kind': 'optional "a" | "b" | "c"' }, []],
    ['a field that is always there now', { ...was, 'It.kind': '"a" | "b"' }, []],
    ['a field less', { 'It.size': was['It.size'] }, ['It.kind is gone']],
    [
      'a field that may be absent now',
      { ...was, 'It.size': 'optional integer in octets' },
      ['It.size was integer in octets and is optional integer in octets'],
    ],
    [
      'another unit',
      { ...was, 'It.size': 'integer in packets' },
      ['It.size was integer in octets and is integer in packets'],
    ],
    [
      'a value less',
      { ...was, 'It.kind': 'optional "b"' },
      ['It.kind was optional "a" | "b" and is optional "b"'],
    ],
  ])('%s', ([, now, faults]) => {
    expect(changesOf(was, now)).toEqual(faults);
  });
});
