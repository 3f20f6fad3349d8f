import { SystemCallError } from '../errors.ts';
import { E, Memory } from '../libc.ts';
import type { Libbpf } from './libbpf.ts';

/** Reads a hash table in batches of `most` entries: more than any bucket of the table holds. */
export class EntryBatches {
  private readonly keySize: number;
  private readonly valueSize: number;
  private readonly most: number;
  /** The table's cursor for the next batch, and the number of entries in it. */
  private readonly place = new Memory(8);
  private readonly keys: Memory;
  private readonly values: Memory;

  constructor(keySize: number, valueSize: number, most: number) {
    this.keySize = keySize;
    this.valueSize = valueSize;
    this.most = most;
    this.keys = new Memory(most * keySize);
    this.values = new Memory(most * valueSize);
  }

  /**
   * Calls back with the key of each entry, and its value at an offset. `batch`: takes the entries out, or does not. The callback must not
   * change the table; the bytes are valid until it returns. Throws a SystemCallError.
   */
  walk(
    batch: Libbpf['takeBatch'],
    fd: number,
    see: (key: Uint8Array, values: DataView, at: number) => void,
  ): void {
    for (const _ of this.steps(batch, fd, see));
  }

  /** As {@link walk}, with a step for each batch. The table may change between steps, and the process close it at the end of one. */
  *steps(
    batch: Libbpf['takeBatch'],
    fd: number,
    see: (key: Uint8Array, values: DataView, at: number) => void,
  ): Generator<void> {
    const { place, keys, values, keySize, valueSize } = this;
    for (let from = 0, ended = false; !ended; from = place.address) {
      place.view.setUint32(4, this.most, true);
      const { address } = place;
      const result = batch(fd, from, address, keys.address, values.address, address + 4, 0);
      if (result < 0 && result !== -E.ENOENT) throw new SystemCallError('bpf_map_*_batch', -result);
      ended = result < 0;
      const count = place.view.getUint32(4, true);
      for (let i = 0; i < count; i++)
        see(keys.bytes.subarray(i * keySize, (i + 1) * keySize), values.view, i * valueSize);
      yield;
    }
  }
}
