import { libbpf } from '../../src/linux/bpf/libbpf.ts';
import { setErrno, sys } from '../../src/linux/libc.ts';
import { wrap } from './refusing-system.ts';

/** These return a pointer, or 0 for an error; all other functions of libbpf return a negative error number. */
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
