import { sys } from '../linux/libc.ts';

/** Ends the process now. `process.exit()` would first wait for names being looked up: as long as the resolver has patience. */
export function endProcess(exitCode: number): void {
  sys.exit(exitCode);
}
