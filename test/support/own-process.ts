import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Marks in the text of a test file that it changes its process, or counts something of it: mocks and fake timers, signals, the account, the
 * mode of new files, namespaces, descriptors, memory, processor time, refusals of the system.
 */
const MARKS = [
  /\bvi\.(?!wait)/,
  /\bprocess\.(chdir|cpuUsage|emit|exit|listeners|memoryUsage|off|on|once|removeL|set|umask)/,
  /\bprocess\.env(\.\w+|\[[^\]]*\]) *=[^=]/,
  /\/proc\/self\/fd\b/,
  /\b(setns|unshare)\(/,
  /\bglobalThis\b/,
  /\/(slow-steps|stopwatch)\.ts'/,
  /\berrno:|portCounters|[sS]ystemFailure/,
];

/** The test files of `folders` that leave their process as they found it, and look at nothing of it: they may share one. */
export function filesThatShare(folders: readonly string[]): string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { encoding: 'utf8', recursive: true }).map((file) => join(folder, file)),
  );
  return files.filter((file) => file.endsWith('.test.ts') && !needsOwnProcess(readFileSync(file, 'utf8')));
}

function needsOwnProcess(text: string): boolean {
  return MARKS.some((mark) => mark.test(text));
}
