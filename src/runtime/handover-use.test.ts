import { expect, test, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { MemoryHandover } from '../../test/support/handover-rig.ts';
import { slowSteps } from '../../test/support/slow-steps.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { HandoverUse } from './handover-use.ts';
import type { StateParts } from './handover-use.ts';

/** A role with a state of so many parts, and a word that changes. */
function roleOf(count: number) {
  slowSteps();
  const clock = new MemoryClock();
  const handover = new MemoryHandover();
  const role = { word: 'a', cancelled: 0, fails: false };
  const begin = (): StateParts => {
    let left = count;
    return {
      header: Uint8Array.of(),
      next: () => {
        if (role.fails) throw Object.assign(new Error('no room'), { code: 'ENOSPC', errno: -28 });
        return left-- > 0 ? Buffer.from('.') : undefined;
      },
      end: (isLast) => [Buffer.from(isLast ? role.word.toUpperCase() : role.word)],
      cancel: () => void role.cancelled++,
    };
  };
  const use = new HandoverUse(handover, clock, { begin, peers: 0 });
  const left = (): string | undefined => handover.next && Buffer.from(handover.next).toString();
  return { role, use, clock, handover, left };
}

test('a large state is written in turns; until it is whole the one before is left', () => {
  const { use, clock, handover, left, role } = roleOf(5);
  use.start();
  use.save();
  expect([left(), handover.added.length]).toEqual([undefined, 2]);
  const turns = vi.spyOn(clock, 'setTimer');
  clock.advance(1);
  expect([left(), turns.mock.calls.length]).toEqual(['.....a', 3]);
  role.word = 'b';
  use.save();
  expect(left()).toBe('.....a');
  for (let i = 0; i < 10; i++) clock.advance(1);
  expect(left()).toBe('.....b');
});

test('a change while the state is written has another one written, which begins after the change', () => {
  const { use, clock, handover, left, role } = roleOf(3);
  const begun = vi.spyOn(handover, 'replace');
  use.start();
  use.save();
  role.word = 'b';
  use.save();
  expect(begun).toHaveBeenCalledTimes(1);
  for (let i = 0; i < 12; i++) clock.advance(1);
  expect(left()).toBe('...b');
  expect(begun).toHaveBeenCalledTimes(2);
});

test('a role that ends works on until all but the end of its state is written', async () => {
  const { use, clock, left, role } = roleOf(4);
  use.start();
  let isPrepared = false;
  const prepared = use.prepareClose()!.then(() => (isPrepared = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect([isPrepared, left()]).toEqual([false, undefined]);
  await eventually(() => {
    clock.advance(1);
    expect(isPrepared).toBe(true);
  });
  await prepared;
  expect(left()).toBeUndefined();
  role.word = 'c';
  use.close();
  expect(left()).toBe('....C');
});

/** A role that ends, and has written all but the end of its state. */
async function preparedRole(count: number) {
  const all = roleOf(count);
  const { use, clock } = all;
  use.start();
  clock.advance(990);
  let isPrepared = false;
  void use.prepareClose()!.then(() => (isPrepared = true));
  await eventually(() => {
    clock.advance(1);
    expect(isPrepared).toBe(true);
  });
  return all;
}

test('a role that ends has its state written once, also when the next writing would be due', async () => {
  const { use, clock, handover, left } = await preparedRole(4);
  const before = handover.added.length;
  clock.advance(2_000);
  use.close();
  expect([left(), handover.added.length - before]).toEqual(['....A', 1]);
});

test('a change while a role ends has its state written again before the end, in turns', async () => {
  const { use, clock, handover, left, role } = await preparedRole(4);
  const before = handover.added.length;
  role.word = 'c';
  use.save();
  clock.advance(1);
  expect([left(), handover.added.length - before]).toEqual([undefined, 5]);
  use.close();
  expect([left(), handover.added.length - before]).toEqual(['....C', 6]);
});

test('one that has no time leaves all the same', () => {
  const { use, left } = roleOf(4);
  use.start();
  use.save();
  use.close();
  expect(left()).toBe('....A');
});

test('where the system refuses a part the successor has the state before, and the next one is written', () => {
  const { use, clock, left, role } = roleOf(2);
  use.start();
  use.save();
  for (let i = 0; i < 5; i++) clock.advance(1);
  expect(left()).toBe('..a');
  role.fails = true;
  use.save();
  expect([left(), role.cancelled]).toEqual(['..a', 1]);
  role.fails = false;
  role.word = 'd';
  use.save();
  for (let i = 0; i < 5; i++) clock.advance(1);
  expect(left()).toBe('..d');
});

test('a role that ends does not wait for a state that the system refuses', () => {
  const { use, role } = roleOf(2);
  use.start();
  role.fails = true;
  expect(use.prepareClose()).toBeUndefined();
});
