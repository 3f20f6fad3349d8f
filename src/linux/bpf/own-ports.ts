import { Memory } from '../libc.ts';
import { PORTS_SHIFT } from './layout.ts';
import { check, libbpf } from './libbpf.ts';

const BITS = 1 << PORTS_SHIFT;

/** The local ports at which the programs look for datagrams of peers. */
export class OwnPorts {
  private readonly fd: number;
  private readonly lib = libbpf();
  private readonly key = new Memory(4);
  private readonly value = new Memory(BITS / 8);
  private readonly ports = new Set<number>();

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Throws a SystemCallError. */
  add(port: number): void {
    if (this.ports.has(port)) return;
    this.write(port, true);
    this.ports.add(port);
  }

  /** From now on datagrams to this port go to its socket only. Throws a SystemCallError. */
  remove(port: number): void {
    if (!this.ports.has(port)) return;
    this.write(port, false);
    this.ports.delete(port);
  }

  private write(port: number, isOwn: boolean): void {
    const word = port >>> PORTS_SHIFT;
    this.key.view.setUint32(0, word, true);
    this.value.bytes.fill(0);
    for (const one of this.ports) if (one >>> PORTS_SHIFT === word && one !== port) this.setBit(one);
    if (isOwn) this.setBit(port);
    check('bpf_map_update_elem', this.lib.update(this.fd, this.key.address, this.value.address, 0));
  }

  /** Entries are in the machine's order, which is little-endian wherever this program runs. */
  private setBit(port: number): void {
    const bit = port % BITS;
    this.value.bytes[bit >>> 3]! |= 1 << (bit & 7);
  }
}
