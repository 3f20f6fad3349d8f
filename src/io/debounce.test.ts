import { expect, test } from 'vitest';
import { MemoryClock } from './memory-clock.ts';
import { Debounce } from './debounce.ts';

function rig() {
  const clock = new MemoryClock();
  const acted: number[] = [];
  const debounce = new Debounce(clock, () => acted.push(clock.now()));
  return { clock, acted, debounce };
}

test('acts once after a quiet period', () => {
  const { clock, acted, debounce } = rig();
  for (let i = 0; i < 3; i++) {
    debounce.trigger();
    clock.advance(60);
  }
  expect(acted).toEqual([]);
  clock.advance(1_000);
  expect(acted).toEqual([220]);
});

test('changes that never stop do not delay the action for ever', () => {
  const { clock, acted, debounce } = rig();
  for (let i = 0; i < 250; i++) {
    debounce.trigger();
    clock.advance(10);
  }
  expect(acted).toEqual([1_000, 2_000]);
});

test('closed, it does not act', () => {
  const { clock, acted, debounce } = rig();
  debounce.trigger();
  debounce.close();
  clock.advance(2_000);
  expect(acted).toEqual([]);
});

test('a slow action is followed by a pause, of at most the longest delay', () => {
  let [now, due, takes] = [0, 0, 0];
  let run = (): void => {};
  const clock = {
    now: () => now,
    setTimer: (at: number, fn: () => void) => {
      [due, run] = [at, fn];
      return () => {};
    },
  };
  const debounce = new Debounce(clock, () => (now += takes));
  const dues = [0, 50, 300, 0].map((duration) => {
    takes = duration;
    debounce.trigger();
    now = due;
    run();
    return due;
  });
  expect(dues).toEqual([100, 200, 750, 2_050]);
});
