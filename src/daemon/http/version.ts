import { readFileSync } from 'node:fs';

/** As in package.json, which stands three folders above this file's source, its compiled form and the program alike. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
