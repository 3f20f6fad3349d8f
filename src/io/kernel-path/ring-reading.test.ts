import { expect, test } from 'vitest';
import { READ_AT_ONCE, RingReading } from './ring-reading.ts';

const ROOM = 16_384;

/** Reports come at this rate for some seconds, and are read when they are due. Returns what was seen after the first second. */
function reading(perSecond: number, seconds = 5) {
  let [records, late, most, turns, written] = [0, 0, 0, 0, 0];
  const ring = {
    get fill() {
      return records / ROOM;
    },
    drain: (_: unknown, limit = Infinity): number => {
      const count = Math.min(limit, records);
      records -= count;
      return count;
    },
  };
  const fetches = new RingReading(ring, () => {});
  let next = 0;
  for (let now = 0; now < seconds * 1_000; now++) {
    const wanted = Math.floor((perSecond * now) / 1_000);
    const taken = Math.min(ROOM - records, wanted - written);
    if (now > 1_000) late += wanted - written - taken;
    records += taken;
    written = wanted;
    if (now < next) continue;
    const before = records;
    fetches.readSome(now);
    most = Math.max(most, before - records);
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
  let records = 0;
  const ring = {
    get fill() {
      return records / ROOM;
    },
    drain: (_: unknown, limit = Infinity): number => {
      const count = Math.min(limit, records);
      records -= count;
      return count;
    },
  };
  const fetches = new RingReading(ring, () => {});
  records = 1;
  fetches.readAll(0);
  records = ROOM;
  fetches.readAll(500);
  expect(fetches.nextAt(500)).toBeLessThan(600);
  fetches.readAll(600);
  expect(fetches.nextAt(600)).toBe(1_100);
});

test('records that are left are read in the next turn', () => {
  let records = READ_AT_ONCE + 1;
  const ring = {
    fill: 0.5,
    drain: (_: unknown, limit = Infinity): number => {
      const count = Math.min(limit, records);
      records -= count;
      return count;
    },
  };
  const fetches = new RingReading(ring, () => {});
  fetches.readSome(0);
  expect([records, fetches.nextAt(0)]).toEqual([1, 0]);
  fetches.readSome(1);
  expect(records).toBe(0);
  expect(fetches.nextAt(1)).toBeGreaterThan(1);
});
