import { expect, test } from 'vitest';
import { READ_AT_ONCE, RingReading } from './ring-reading.ts';

const ROOM = 16_384;

/** A ring with so many records, each of which makes so much work. */
class FakeRing {
  records = 0;
  drain = (onRecord: (view: DataView, offset: number, length: number) => void, most = Infinity): number => {
    const count = Math.min(most, this.records);
    for (let i = 0; i < count; i++) onRecord(new DataView(new ArrayBuffer(0)), 0, 0);
    this.records -= count;
    return count;
  };

  get fill(): number {
    return this.records / ROOM;
  }
}

/** Reports come at this rate for some seconds, and are read when they are due. Returns what was seen after the first second. */
function reading(perSecond: number, seconds = 5) {
  let [late, most, turns, written] = [0, 0, 0, 0];
  const ring = new FakeRing();
  const fetches = new RingReading(ring, () => 1);
  let next = 0;
  for (let now = 0; now < seconds * 1_000; now++) {
    const wanted = Math.floor((perSecond * now) / 1_000);
    const taken = Math.min(ROOM - ring.records, wanted - written);
    if (now > 1_000) late += wanted - written - taken;
    ring.records += taken;
    written = wanted;
    if (now < next) continue;
    const before = ring.records;
    fetches.readSome(now);
    most = Math.max(most, before - ring.records);
    turns++;
    next = Math.max(now + 1, fetches.nextAt(now));
  }
  return { late, most, turns };
}

test('few reports are read twice a second', () => {
  const { late, turns } = reading(1_000);
  expect(late).toBe(0);
  expect(turns).toBeLessThanOrEqual(15);
});

test('125,000 a second, those of a million peers, all find room, and no turn reads many', () => {
  const { late, most } = reading(125_000);
  expect(late).toBe(0);
  expect(most).toBeLessThanOrEqual(READ_AT_ONCE);
});

test('after a rush the ring is read seldom again', () => {
  const ring = new FakeRing();
  const fetches = new RingReading(ring, () => 1);
  ring.records = 1;
  fetches.readAll(0);
  ring.records = ROOM;
  fetches.readAll(500);
  expect(fetches.nextAt(500)).toBeLessThan(600);
  fetches.readAll(600);
  expect(fetches.nextAt(600)).toBe(1_100);
});

test('records that are left are read in the next turn', () => {
  const ring = new FakeRing();
  const fetches = new RingReading(ring, () => 1);
  ring.records = READ_AT_ONCE + 1;
  fetches.readSome(0);
  expect([ring.records, fetches.nextAt(0)]).toEqual([1, 0]);
  fetches.readSome(1);
  expect(ring.records).toBe(0);
  expect(fetches.nextAt(1)).toBeGreaterThan(1);
});

test('of records that make more work fewer are read in a turn', () => {
  const ring = new FakeRing();
  const fetches = new RingReading(ring, () => 16);
  ring.records = READ_AT_ONCE;
  fetches.readSome(0);
  expect(READ_AT_ONCE - ring.records).toBe(READ_AT_ONCE / 16);
  expect(fetches.hasMore).toBe(true);
});

test('all that are there are read in turns, of those that come meanwhile no more than the ring has room for', () => {
  const ring = new FakeRing();
  const fetches = new RingReading(ring, () => 1);
  ring.records = 5_000;
  const turns: number[] = [];
  let before = ring.records;
  for (const _ of fetches.readInTurns(() => 0, ROOM)) {
    turns.push(before - ring.records);
    before = ring.records += 1_000;
  }
  expect(Math.max(...turns)).toBe(READ_AT_ONCE);
  expect(turns).toHaveLength(ROOM / READ_AT_ONCE);
});
