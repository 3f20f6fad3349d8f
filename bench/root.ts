import { fileURLToPath } from 'node:url';

/** The repository's root; compiled, this file lies three folders below it. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
