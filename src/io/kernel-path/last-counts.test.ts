import { expect, test } from 'vitest';
import { lastReports } from './last-counts.ts';
import { READ_AT_ONCE, RingReading } from './ring-reading.ts';

const ROOM = 16_384;

test('a full ring of reports is handed over some at a time when a kernel path has ended', () => {
  let [left, inStep, handedOver] = [ROOM, 0, 0];
  const ring = {
    fill: 1,
    drain: (onRecord: (view: DataView, offset: number, length: number) => void, most = Infinity) => {
      const count = Math.min(most, left);
      for (let i = 0; i < count; i++) onRecord(new DataView(new ArrayBuffer(0)), 0, 0);
      left -= count;
      return count;
    },
  };
  const reading = new RingReading(ring, () => {
    inStep++;
    return 1;
  });
  const flush = (): void => void (handedOver = ROOM - left);
  const steps: number[] = [];
  for (const _ of lastReports({ reading, room: ROOM }, { flush }, { now: () => 0 })) {
    steps.push(inStep);
    expect(handedOver).toBe(ROOM - left);
    inStep = 0;
  }
  expect(handedOver).toBe(ROOM);
  expect(Math.max(...steps)).toBeLessThanOrEqual(READ_AT_ONCE);
});
