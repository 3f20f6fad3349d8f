import type { Ipv4Prefix } from '../../wire/ipv4-prefix.ts';
import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';
import { ACCESS, ACCESS_KEY } from './server-layout.ts';

/** Decides which addresses a server serves. */
export interface AccessVerdicts {
  readonly allow: readonly Ipv4Prefix[];
  readonly deny: readonly Ipv4Prefix[];
  /** The verdict on addresses that no prefix matches. */
  readonly allowsOthers: boolean;
  /** No address is denied. */
  readonly isOpen: boolean;
}

/** The prefixes by which the server's program decides which addresses it serves. */
export class AccessMap {
  private readonly fd: number;
  private readonly key = new Memory(ACCESS_KEY.SIZE);
  private readonly value = new Memory(1);
  /** The prefixes in the map. */
  private prefixes: Ipv4Prefix[] = [];
  /** Undefined if the map holds only a part of them. */
  private current: AccessVerdicts | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Replaces the prefixes, not in one step: no running program may read the map meanwhile. Does nothing if these prefixes are already in
   * the map. Throws a SystemCallError; the map may then hold a part of them.
   */
  set(access: AccessVerdicts): void {
    if (access === this.current) return;
    this.current = undefined;
    const { allow, deny } = access;
    const lib = libbpf();
    for (; this.prefixes.length > 0; this.prefixes.pop()) {
      this.setKey(this.prefixes.at(-1)!);
      check('bpf_map_delete_elem', lib.delete(this.fd, this.key.address));
    }
    const rules = [
      [allow, ACCESS.allow],
      [deny, ACCESS.deny],
    ] as const;
    for (const [prefixes, verdict] of rules) {
      this.value.bytes[0] = verdict;
      for (const prefix of prefixes) {
        this.setKey(prefix);
        check('bpf_map_update_elem', lib.update(this.fd, this.key.address, this.value.address, 0));
        this.prefixes.push(prefix);
      }
    }
    this.current = access;
  }

  private setKey({ address, length }: Ipv4Prefix): void {
    this.key.view.setUint32(ACCESS_KEY.length, length, true);
    this.key.view.setUint32(ACCESS_KEY.prefix, address);
  }
}
