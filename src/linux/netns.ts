import { SystemCallError } from './errors.ts';
import { errno, sys } from './libc.ts';

const CLONE_NEWNET = 0x40000000;

/**
 * Moves the calling thread into a new, empty network namespace, with all sockets and programs that it opens from now on. The namespace ends
 * with the last of them. Throws a SystemCallError: EPERM without CAP_SYS_ADMIN.
 */
export function enterNewNetwork(): void {
  if (sys.unshare(CLONE_NEWNET) < 0) throw new SystemCallError('unshare', errno());
}
