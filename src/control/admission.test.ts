import { expect, test } from 'vitest';
import { Admission, givesWay } from './admission.ts';
import type { Caller } from './admission.ts';

/** Of which hash values do not differ from run to run. */
const fresh = (): Admission => new Admission({ fill: (target) => void target.fill(7) });

function admitted(admission: Admission, caller: Caller, count: number, now = 0): number {
  let sum = 0;
  for (let i = 0; i < count; i++) if (admission.admits(caller, now)) sum++;
  return sum;
}

test('a process that connects again and again takes nothing from others of its user, nor from other users', () => {
  const admission = fresh();
  expect(admitted(admission, { uid: 1000, pid: 1 }, 10_000)).toBe(20);
  expect(admitted(admission, { uid: 1000, pid: 2 }, 20)).toBe(20);
  expect(admitted(admission, { uid: 1001, pid: 3 }, 20)).toBe(20);
  expect(admitted(admission, { uid: 1000, pid: 1 }, 10_000, 1_000)).toBe(20);
});

test('a user with ever new processes has a limit, too', () => {
  const admission = fresh();
  let sum = 0;
  for (let pid = 0; pid < 1_000; pid++) if (admission.admits({ uid: 1000, pid }, 0)) sum++;
  expect(sum).toBe(100);
  expect(admitted(admission, { uid: 1001, pid: 3 }, 20)).toBe(20);
});

test('root has no limit here', () => {
  expect(admitted(fresh(), { uid: 0, pid: 1 }, 10_000)).toBe(10_000);
});

const callers = (uid: number, ...pids: number[]): Caller[] => pids.map((pid) => ({ uid, pid }));

test('a connection of the process or user with most of them gives way, the first one', () => {
  const present = [...callers(1001, 1), ...callers(1000, 2, 3, 4, 4, 4), ...callers(1002, 5, 5)];
  expect(givesWay(present, { uid: 1003, pid: 9 })).toBe(3);
});

test('root gives way to root only', () => {
  expect(givesWay([...callers(0, 1, 1, 1), ...callers(1000, 2)], { uid: 0, pid: 1 })).toBe(3);
  expect(givesWay(callers(0, 1, 1, 1), { uid: 1000, pid: 2 })).toBe(-1);
  expect(givesWay(callers(0, 1, 1, 1), { uid: 0, pid: 1 })).toBe(0);
});
