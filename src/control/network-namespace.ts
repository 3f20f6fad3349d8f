import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** The network namespace of this process, as `net:[4026531840]`. */
export function networkNamespace(): string {
  return readlinkSync('/proc/self/ns/net');
}

/** Names of the files to which Unix sockets of this network namespace are bound; undefined where the kernel does not show them. */
export function boundNames(): ReadonlySet<string> | undefined {
  let table: string;
  try {
    table = readFileSync('/proc/net/unix', 'utf8'); // of this process's namespace, also where /proc was mounted in another
  } catch {
    return undefined; // no /proc
  }
  // Num RefCount Protocol Flags Type St Inode Path
  const paths = table.split('\n').map((line) => line.trim().split(/\s+/).slice(7).join(' '));
  return new Set(paths.filter((path) => path !== '').map((path) => basename(path)));
}
