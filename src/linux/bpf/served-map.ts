import type { Ipv6Prefix } from '../../wire/ipv6-prefix.ts';
import { Memory } from '../libc.ts';
import { SERVED_KEY } from './layout.ts';
import { libbpf } from './libbpf.ts';

/** The prefixes whose addresses the programs take for a relay's own side. */
export class ServedMap {
  private readonly fd: number;
  private readonly most: number;
  private readonly value = new Memory(1);
  private keys: Memory[] = [];

  constructor(fd: number, most: number) {
    this.fd = fd;
    this.most = most;
  }

  /** Those beyond what there is room for are left to user space. */
  set(prefixes: readonly Ipv6Prefix[]): void {
    const lib = libbpf();
    for (const key of this.keys) lib.delete(this.fd, key.address);
    this.keys = prefixes.slice(0, this.most).map(({ address, length }) => {
      const key = new Memory(SERVED_KEY.SIZE);
      key.view.setUint32(SERVED_KEY.length, length, true);
      key.bytes.set(address, SERVED_KEY.prefix);
      return key;
    });
    for (const key of this.keys) lib.update(this.fd, key.address, this.value.address, 0);
  }
}
