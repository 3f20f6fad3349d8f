import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { jsonSchema } from '../src/daemon/configuration/schema.ts';

test('packaging/teredo.schema.json is the schema of this version: teredo config schema > packaging/teredo.schema.json', () => {
  const file = fileURLToPath(new URL('../packaging/teredo.schema.json', import.meta.url));
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(jsonSchema())));
});
