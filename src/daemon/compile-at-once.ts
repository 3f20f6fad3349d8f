import { setFlagsFromString } from 'node:v8';

/**
 * From now on V8 makes machine code of each function at its first call, which is in the rehearsal for most. Otherwise it makes that later, when a function
 * has been called often, which those for new peers are not. Memory: 1 MB. For roles only: a short command would start later. adr/0037
 */
export function compileAtOnce(): void {
  setFlagsFromString('--always-sparkplug');
}
