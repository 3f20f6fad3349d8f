import { libbpf } from '../../src/linux/bpf/libbpf.ts';
import { setErrno, sys } from '../../src/linux/libc.ts';
import { wrap } from './refusing-system.ts';

/** They give a pointer, 0 for none; all others of libbpf an error number's negative. */
const OF_POINTERS = new Set(['openFile']);

/** Makes the calls of the C library and of libbpf refusable, for as long as this process lasts. */
export function makeRefusable(): void {
  wrap(sys as Record<string, unknown>, (_, error) => {
    setErrno(error);
    return -1;
  });
  wrap(libbpf() as unknown as Record<string, unknown>, (name, error) => {
    setErrno(error);
    return OF_POINTERS.has(name) ? 0 : -error;
  });
}
