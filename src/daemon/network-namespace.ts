import { readlinkSync } from 'node:fs';

/** The network namespace of this process, as `net:[4026531840]`. */
export function networkNamespace(): string {
  return readlinkSync('/proc/self/ns/net');
}
