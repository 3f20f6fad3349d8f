import { fileURLToPath } from 'node:url';
import type { Namespace } from '../../src/lab/index.ts';

const TCX = fileURLToPath(new URL('tcx-programs.py', import.meta.url));

/** The programs at the interfaces of a host, as text with their names: at tcx, as filters of tc, and in drivers. */
export function attachedPrograms(host: Namespace): string {
  return host.execute('python3', TCX) + host.execute('bpftool', 'net', 'show');
}
