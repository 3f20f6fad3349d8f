import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { KeptState } from './kept-state.ts';

/** A state as one process leaves it; the next one has the same file. */
function leave(...states: Uint8Array[]): number {
  const kept = new KeptState(undefined);
  onTestFinished(() => kept.close());
  for (const state of states) kept.leave(state);
  return kept.fd;
}

test('the successor gets the latest state, and its age', () => {
  const { left } = new KeptState(leave(new Uint8Array(100), Uint8Array.of(1, 2, 3)));
  expect([...left!.state]).toEqual([1, 2, 3]);
  expect(left!.agoMs).toBeGreaterThanOrEqual(0);
  expect(left!.agoMs).toBeLessThan(10_000);
});

test('there is none before the first, and none in a new file', () => {
  expect(new KeptState(leave()).left).toBeUndefined();
  const fresh = new KeptState(undefined);
  expect(fresh.left).toBeUndefined();
  fresh.close();
});

test('a state that is not whole is none', () => {
  const state = Uint8Array.of(1, 2, 3, 4);
  const changed = leave(state);
  writeSync(changed, Uint8Array.of(9), 0, 1, 24);
  expect(new KeptState(changed).left).toBeUndefined();
  const short = leave(state);
  ftruncateSync(short, 26);
  expect(new KeptState(short).left).toBeUndefined();
  const long = leave(state);
  ftruncateSync(long, 1_000);
  expect(new KeptState(long).left).toBeUndefined();
});

test('a state from a later time is none', () => {
  const fd = leave(Uint8Array.of(1));
  const time = Buffer.alloc(8);
  time.writeBigInt64LE(process.hrtime.bigint() + 10n ** 12n);
  writeSync(fd, time, 0, 8, 8);
  expect(new KeptState(fd).left).toBeUndefined();
});

test('a file that cannot be read is none', () => {
  const fd = openSync('/dev/null', 'w');
  onTestFinished(() => closeSync(fd));
  expect(new KeptState(fd).left).toBeUndefined();
});
