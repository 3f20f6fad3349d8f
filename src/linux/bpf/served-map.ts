import type { Ipv6Prefix } from '../../wire/ipv6-prefix.ts';
import { SystemCallError } from '../errors.ts';
import { E, Memory } from '../libc.ts';
import { SERVED_KEY } from './layout.ts';
import { libbpf } from './libbpf.ts';

/** The prefixes whose addresses the programs treat as a relay's own side. */
export class ServedMap {
  private readonly fd: number;
  private readonly most: number;
  private readonly value = new Memory(1);
  /** By prefix and length. */
  private readonly keys = new Map<string, Memory>();

  constructor(fd: number, most: number) {
    this.fd = fd;
    this.most = most;
  }

  /**
   * Sets the prefixes, without touching those that stay, because packets use them meanwhile. The user path serves prefixes for which there
   * is no room. Throws a SystemCallError; the next call then sets the rest.
   */
  set(prefixes: readonly Ipv6Prefix[]): void {
    const lib = libbpf();
    const wanted = new Map(prefixes.slice(0, this.most).map((prefix) => [nameOf(prefix), prefix]));
    for (const [name, key] of this.keys) {
      if (wanted.has(name)) continue;
      const deleted = lib.delete(this.fd, key.address);
      if (deleted < 0 && deleted !== -E.ENOENT) throw new SystemCallError('bpf_map_delete_elem', -deleted);
      this.keys.delete(name);
    }
    for (const [name, { address, length }] of wanted) {
      if (this.keys.has(name)) continue;
      const key = new Memory(SERVED_KEY.SIZE);
      key.view.setUint32(SERVED_KEY.length, length, true);
      key.bytes.set(address, SERVED_KEY.prefix);
      const updated = lib.update(this.fd, key.address, this.value.address, 0);
      if (updated < 0) throw new SystemCallError('bpf_map_update_elem', -updated);
      this.keys.set(name, key);
    }
  }
}

function nameOf({ address, length }: Ipv6Prefix): string {
  return `${address.join(' ')}/${length}`;
}
