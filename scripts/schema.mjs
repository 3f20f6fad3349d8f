/** `npm run schema`: packaging/schema/ and docs/json.md, from the declarations in src/control/. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run.mjs';
import { fieldsIn, fieldsOf, textOf } from './schema/fields.mjs';
import { jsonSchemas } from './schema/json-schemas.mjs';
import { pageOf } from './schema/page.mjs';

/** Fields that no later version may change. */
const FIELDS = 'test/json-fields.txt';

/** The text of each file, by its path in the repository. */
export function schemaFiles() {
  const { files: schemas, bases } = jsonSchemas();
  const files = Object.entries(schemas).map(([name, schema]) => [
    `packaging/schema/${name}.schema.json`,
    `${JSON.stringify(schema, undefined, 2)}\n`,
  ]);
  const fields = { ...fieldsOf(schemas), ...knownFields() };
  return new Map([...files, ['docs/json.md', pageOf(schemas, bases)], [FIELDS, textOf(fields)]]);
}

function knownFields() {
  const path = join(root, FIELDS);
  return existsSync(path) ? fieldsIn(readFileSync(path, 'utf8')) : {};
}

if (process.argv[1] === import.meta.filename)
  for (const [path, text] of schemaFiles()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
