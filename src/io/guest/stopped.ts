import { readFileSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';

const TSTP_BIT = 1n << BigInt(constants.signals.SIGTSTP - 1);

/**
 * Whether SIGTSTP has stopped all processes of a process group that it can stop, but for this process. The kernel stops each of them when it next runs: until
 * then it can still read from the terminal.
 */
export function isGroupStopped(group: number): boolean {
  return processes().every((pid) => isAtRest(pid, group));
}

function processes(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return []; // this process may open no more files
  }
}

/** Also: it is of another group, or has ended. proc_pid_status(5) */
function isAtRest(pid: string, group: number): boolean {
  if (Number(pid) === process.pid) return true;
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return true; // it has ended
  }
  const field = (name: string): string[] =>
    new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1]?.split('\t') ?? [];
  if (Number(field('NSpgid')[0]) !== group) return true;
  if (/^[TtZX]/.test(field('State')[0] ?? 'X')) return true;
  // The first process of a process namespace is stopped by a signal only if it handles it.
  return (
    field('NSpid').at(-1) === '1' ||
    ['SigIgn', 'SigCgt', 'SigBlk'].some((name) => (BigInt(`0x${field(name)[0] ?? 0}`) & TSTP_BIT) !== 0n)
  );
}
