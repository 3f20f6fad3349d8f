import { isSea } from 'node:sea';
import type { OwnProgram } from '../io/guest/guest.ts';

/** The words that start this program with another command. */
export function ownProgram(command: string): OwnProgram {
  if (isSea()) return [process.execPath, command];
  return [process.execPath, ...process.execArgv, process.argv[1]!, command];
}
