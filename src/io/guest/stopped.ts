import { readFileSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';

const TSTP_BIT = 1n << BigInt(constants.signals.SIGTSTP - 1);

/**
 * Whether SIGTSTP has stopped a process and its descendants, as far as they are of a process group and it can stop them. The kernel stops each of them when it next
 * runs: until then it can still read from the terminal.
 */
export function areStopped(pid: number, group: number): boolean {
  return isAtRest(pid, group) && childrenOf(pid).every((child) => areStopped(child, group));
}

/** None where the kernel does not say (CONFIG_PROC_CHILDREN), or the process has ended. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Also: it is of another group, or has ended. proc_pid_status(5) */
function isAtRest(pid: number, group: number): boolean {
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
