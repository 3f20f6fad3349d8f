import { expect, test } from 'vitest';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { HashKey } from './hash.ts';
import { PeerIndex } from './peer-index.ts';
import { TableGrowth, widening } from './table-growth.ts';

const MOST_TOUCHED = 512 << 10;

test('the memory of a longer column is touched in parts before it is used, at different inserts', () => {
  let [touched, most, used] = [0, 0, 0];
  class Counted extends Uint32Array<ArrayBuffer> {
    filled = 0;
    override fill(value: number, start = 0, end = this.length): this {
      const octets = 4 * (Math.min(end, this.length) - start);
      touched += octets;
      this.filled += octets;
      return super.fill(value, start, end);
    }
  }
  const table = {
    most: 1 << 20,
    index: new PeerIndex(new Uint32Array(0), new HashKey(new SeededEntropy(1))),
    column: new Uint32Array(0),
    columns: (size: number) => [
      () =>
        widening(table.column, new Counted(new ArrayBuffer(4 * size)), (next) => {
          if (next.byteLength > MOST_TOUCHED) expect((next as Counted).filled).toBe(next.byteLength);
          used++;
          table.column = next;
        }),
    ],
  };
  const growth = new TableGrowth(table);
  for (let slot = 0; slot < 600_000; slot++) {
    touched = 0;
    growth.growInTime(growth.slots - slot);
    most = Math.max(most, touched);
    if (slot < table.column.length) table.column[slot] = slot + 1;
  }
  expect(table.column.length).toBe(1 << 20);
  expect(used).toBe(13);
  expect(most).toBe(MOST_TOUCHED);
  for (let slot = 0; slot < 600_000; slot += 997) expect(table.column[slot]).toBe(slot + 1);
});
