import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

const [ACCESS_MODE, WRITE_ONLY] = [0o3, 0o1];

/**
 * Whether `nohup` has started this process, so that SIGHUP is to be ignored. Node.js undoes the ignoring at its start, so other traces have to tell: bash
 * and zsh name the command that they have started, and a standard input that was a terminal is then /dev/null, open for writing only.
 */
export function isUnderNohup(): boolean {
  return basename(process.env['_'] ?? '') === 'nohup' || hasNohupInput();
}

function hasNohupInput(): boolean {
  try {
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8'))?.[1];
    const isWriteOnly = (Number.parseInt(flags ?? '', 8) & ACCESS_MODE) === WRITE_ONLY;
    return isWriteOnly && readlinkSync('/proc/self/fd/0') === '/dev/null';
  } catch {
    return false;
  }
}
