import { SystemCallError } from '../errors.ts';
import { E, Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';

/** The interfaces at which the programs take a datagram of a peer that is reached by another one. */
export class ArrivalMap {
  private readonly fd: number;
  private readonly lib = libbpf();
  private readonly key = new Memory(4);
  private readonly value = new Memory(1);
  private readonly indexes = new Set<number>();

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Sets the indexes of the interfaces. Throws a SystemCallError; the next call then sets the rest. */
  set(indexes: readonly number[]): void {
    for (const index of this.indexes) if (!indexes.includes(index)) this.remove(index);
    for (const index of indexes) if (!this.indexes.has(index)) this.add(index);
  }

  private add(index: number): void {
    this.key.view.setUint32(0, index, true);
    check('bpf_map_update_elem', this.lib.update(this.fd, this.key.address, this.value.address, 0));
    this.indexes.add(index);
  }

  private remove(index: number): void {
    this.key.view.setUint32(0, index, true);
    const deleted = this.lib.delete(this.fd, this.key.address);
    if (deleted < 0 && deleted !== -E.ENOENT) throw new SystemCallError('bpf_map_delete_elem', -deleted);
    this.indexes.delete(index);
  }
}
