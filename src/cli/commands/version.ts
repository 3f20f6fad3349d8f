import { readFileSync } from 'node:fs';

/** As in package.json, which stands two folders above this file's compiled form and its source alike. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
