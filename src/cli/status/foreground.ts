import { readFileSync } from 'node:fs';

/** Whether the shell lets this process write to its terminal: not while another job is in the foreground. */
export function isInForeground(): boolean {
  try {
    return ownsTerminal(readFileSync('/proc/self/stat', 'utf8'));
  } catch {
    return true; // no /proc, or no free descriptor
  }
}

/** `stat`: as in proc_pid_stat(5). Without a terminal of its own a process has no job that could be in the foreground instead. */
export function ownsTerminal(stat: string): boolean {
  // The name in front of these fields may have parentheses and spaces.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return foreground === '-1' || foreground === group;
}
