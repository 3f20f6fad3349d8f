import { expect, test } from 'vitest';
import { otherWork, parseStat } from '../../bench/machine/other-work.ts';
import type { ProcessTime } from '../../bench/machine/other-work.ts';
import { busyBetween, idleTimes } from '../../bench/machine/processor-time.ts';
import { QUIET, shareOf } from '../../bench/machine/watch.ts';

const BENCH = 100;
const process = (pid: number, parent: number, own: number, ended = 0): ProcessTime => ({
  pid,
  parent,
  name: `p${pid}`,
  own,
  ended,
});

test('the time of other programs counts, that of the bench, its descendants and the kernel does not', () => {
  const before = [
    process(1, 0, 5),
    process(2, 0, 0),
    process(BENCH, 50, 1),
    process(50, 1, 1),
    process(9, 1, 3),
  ];
  const after = [
    process(1, 0, 5),
    process(2, 0, 0),
    process(20, 2, 7), // a thread of the kernel
    process(BENCH, 50, 2),
    process(101, BENCH, 3),
    process(102, 101, 3),
    process(50, 1, 1),
    process(9, 1, 3.25),
  ];
  expect(otherWork(before, after, BENCH)).toMatchObject({ seconds: 0.25, most: { pid: 9, name: 'p9' } });
});

test('a program that began meanwhile counts whole, and one that ended by its parent, which has its time', () => {
  const before = [process(1, 0, 0), process(9, 1, 1, 10), process(10, 9, 4, 1), process(11, 10, 2)];
  // 10 used 0.5 s more, 11 0.25 s more, and both have ended; 12 is new.
  const after = [process(1, 0, 0), process(9, 1, 1, 10 + 4.5 + 1 + 2.25), process(12, 9, 0.25)];
  expect(otherWork(before, after, BENCH).seconds).toBeCloseTo(1);
});

test('orphans go to init, those of the bench, too: they count for nobody', () => {
  const after = [process(1, 0, 0, 30)];
  expect(otherWork([process(1, 0, 0, 0)], after, BENCH)).toEqual({ seconds: 0, most: undefined });
});

test('a quiet machine: at most 2 % of all processors, with the time that the host of a virtual machine took', () => {
  expect(QUIET).toBe(0.02);
  expect(shareOf(0.04, 0, 1, 2)).toBeCloseTo(0.02);
  expect(shareOf(0.04, 0.04, 1, 2)).toBeCloseTo(0.04);
});

test('/proc/PID/stat with a name of blanks and parentheses', () => {
  const fields = 'S 7 1 1 0 -1 0 0 0 0 0 150 50 300 100 20 0 1 0';
  expect(parseStat(`42 (a (b) c) ${fields}`)).toEqual({
    pid: 42,
    parent: 7,
    name: 'a (b) c',
    own: 2,
    ended: 4,
  });
});

test('busy is what was neither idle nor taken by the host', () => {
  expect(idleTimes('cpu  10 0 10 400 100 0 0 50 0 0\ncpu0 1')).toEqual({ idle: 5, stolen: 0.5 });
  const busy = busyBetween({ at: 10, idle: 5, stolen: 0 }, { at: 12, idle: 6, stolen: 0.5 }, 2);
  expect(busy).toBe(2.5);
});
