import { expect, test } from 'vitest';
import { SeededEntropy } from '../sim/index.ts';
import { KeptPackets } from './kept-packets.ts';

const CHUNK = 16 << 10;

/** A store, and its contents. */
class Kept {
  readonly store = new KeptPackets();
  readonly rows: number[] = [];
  readonly packets = new Map<number, Uint8Array>();
  /** Octets of the copies. */
  needed = 0;

  add(packet: Uint8Array): number {
    const row = this.store.add(packet, 0, packet.length);
    this.rows.push(row);
    this.packets.set(row, packet);
    this.needed += packet.length;
    return row;
  }

  drop(at: number): void {
    const [row, last] = [this.rows[at]!, this.rows.pop()!];
    if (at < this.rows.length) this.rows[at] = last;
    this.needed -= this.packets.get(row)!.length;
    this.store.drop(row);
    this.packets.delete(row);
  }

  isWhole(row: number): boolean {
    return Buffer.compare(this.store.bytesOf(row), this.packets.get(row)!) === 0;
  }

  /** Octets of the memory in which they are. */
  get held(): number {
    const buffers = new Set(this.rows.map((row) => this.store.bufferOf(row).buffer));
    return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

test('small copies that stay between others that go do not keep the memory of those', () => {
  const kept = new Kept();
  const [small, large] = [new Uint8Array(48).fill(1), new Uint8Array(1_280).fill(2)];
  for (let n = 0; n < 1_000; n++) {
    kept.add(small);
    for (let i = 0; i < 13; i++) kept.add(large);
    for (let i = 0; i < 13; i++) kept.drop(kept.rows.length - 1);
  }
  expect(kept.needed).toBe(48_000);
  expect(kept.held).toBeLessThanOrEqual(2 * kept.needed + 34 * CHUNK);
});

test('the same, where all of them go at once and others come in between', () => {
  const kept = new Kept();
  let most = 0;
  for (let round = 0; round < 4; round++) {
    while (kept.needed < 1_000_000) kept.add(new Uint8Array(round % 2 === 0 ? 1_280 : 48));
    most = Math.max(most, kept.held);
    // One of each chunk stays.
    const seen = new Set<ArrayBufferLike>();
    for (let at = kept.rows.length - 1; at >= 0; at--) {
      const { buffer } = kept.store.bufferOf(kept.rows[at]!);
      if (seen.has(buffer)) kept.drop(at);
      else seen.add(buffer);
    }
  }
  expect(most).toBeLessThanOrEqual(2 * 1_001_280 + 34 * CHUNK);
});

test('whatever comes and goes, copies stay as they are, also in the hands of a reader whose copy has moved', () => {
  const entropy = new SeededEntropy(3);
  const kept = new Kept();
  const read: [view: Uint8Array, fill: number][] = [];
  for (let i = 0; i < 10_000; i++) {
    if (kept.rows.length > 0 && entropy.chance(kept.needed > 2e6 ? 0.7 : 0.4)) {
      const at = entropy.integer(0, kept.rows.length - 1);
      const row = kept.rows[at]!;
      const bytes = kept.store.bytesOf(row);
      if (!kept.isWhole(row)) expect(bytes).toEqual(kept.packets.get(row));
      if (bytes.length > 0 && i % 50 === 0) read.push([bytes, bytes[0]!]);
      kept.drop(at);
    } else {
      const length = entropy.chance(0.01) ? entropy.integer(4_000, 40_000) : entropy.integer(0, 1_500);
      kept.add(new Uint8Array(length).fill(i));
    }
  }
  for (const [view, fill] of read) expect(view.every((octet) => octet === fill)).toBe(true);
  expect(kept.rows.every((row) => kept.isWhole(row))).toBe(true);
  while (kept.rows.length > 0) kept.drop(0);
  expect(kept.store.count).toBe(0);
});

test('a copy that moves keeps its place among those that follow each other', () => {
  const kept = new Kept();
  let last = -1;
  const first = kept.add(new Uint8Array(40));
  for (let n = 1; n < 500; n++) {
    const row = kept.add(new Uint8Array(40).fill(n));
    kept.store.link(n === 1 ? first : last, row);
    last = row;
    for (let i = 0; i < 13; i++) kept.add(new Uint8Array(1_280));
    for (let i = 0; i < 13; i++) kept.drop(kept.rows.length - 1);
  }
  const seen: number[] = [];
  for (let row = first; row !== -1; row = kept.store.nextOf(row)) seen.push(kept.store.bytesOf(row)[0]!);
  expect(seen).toEqual(Array.from({ length: 500 }, (_, n) => n % 256));
});

test('copies move also after there were none for a moment, and many before', () => {
  const kept = new Kept();
  for (let n = 0; n < 6_000; n++) kept.add(new Uint8Array(40));
  while (kept.rows.length > 0) kept.drop(0);
  for (let n = 0; n < 100; n++) {
    kept.add(new Uint8Array(40).fill(n));
    for (let i = 0; i < 13; i++) kept.add(new Uint8Array(1_280));
    for (let i = 0; i < 13; i++) kept.drop(kept.rows.length - 1);
  }
  expect(kept.held).toBeLessThanOrEqual(2 * kept.needed + 34 * CHUNK);
  expect(kept.rows.every((row) => kept.isWhole(row))).toBe(true);
});

test('memory of which all copies have gone does not keep others from moving', () => {
  const kept = new Kept();
  kept.add(new Uint8Array(40));
  for (let i = 0; i < 13 * 40; i++) {
    kept.add(new Uint8Array(1_280));
    kept.drop(kept.rows.length - 1);
  }
  for (let n = 0; n < 200; n++) {
    kept.add(new Uint8Array(40).fill(n));
    for (let i = 0; i < 13; i++) kept.add(new Uint8Array(1_280));
    for (let i = 0; i < 13; i++) kept.drop(kept.rows.length - 1);
  }
  expect(kept.held).toBeLessThanOrEqual(2 * kept.needed + 34 * CHUNK);
});

test('a row that is free keeps no memory', () => {
  const kept = new Kept();
  const rows = [40, 1_280].map((length) => kept.add(new Uint8Array(length)));
  while (kept.rows.length > 0) kept.drop(0);
  expect(rows.map((row) => kept.store.bufferOf(row).length)).toEqual([0, 0]);
});
