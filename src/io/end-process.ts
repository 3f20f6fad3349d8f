import { sys } from '../linux/libc.ts';

/** Ends the process now. `process.exit()` would first wait for name lookups under way, until the resolver times out. */
export function endProcess(exitCode: number): void {
  sys.exit(exitCode);
}
