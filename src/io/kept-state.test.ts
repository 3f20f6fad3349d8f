import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { KeptState, readState } from './kept-state.ts';

/** In parts. */
function write(kept: KeptState, state: Uint8Array, about?: number): void {
  const next = kept.replace(about);
  for (let at = 0; at < state.length; at += 5_000) next.add(state.subarray(at, at + 5_000));
  next.end();
}

/** Whether the successor gets this state; undefined: it gets none. */
function isWhole({ fd }: KeptState, state: Buffer | undefined): boolean | undefined {
  const left = readState(fd);
  return left === undefined ? undefined : state?.equals(left.state);
}

/** A state as one process leaves it; the next one has the same file. */
function leave(...states: Uint8Array[]): number {
  const kept = new KeptState(undefined);
  onTestFinished(() => kept.close());
  for (const state of states) write(kept, state);
  return kept.fd;
}

test('the successor gets the latest state, and its age', () => {
  const left = new KeptState(leave(new Uint8Array(100), Uint8Array.of(1, 2, 3))).takeLeft();
  expect([...left!.state]).toEqual([1, 2, 3]);
  expect(left!.agoMs).toBeGreaterThanOrEqual(0);
  expect(left!.agoMs).toBeLessThan(10_000);
});

test('it is given once, with its age at that moment', () => {
  const kept = new KeptState(leave(Uint8Array.of(1)));
  const begun = performance.now();
  while (performance.now() - begun < 20);
  expect(kept.takeLeft()!.agoMs).toBeGreaterThanOrEqual(20);
  expect(kept.takeLeft()).toBeUndefined();
});

test('there is none before the first, and none in a new file', () => {
  expect(new KeptState(leave()).takeLeft()).toBeUndefined();
  const fresh = new KeptState(undefined);
  expect(fresh.takeLeft()).toBeUndefined();
  fresh.close();
});

test('a state that is not whole is none', () => {
  const state = Uint8Array.of(1, 2, 3, 4);
  const changed = leave(state);
  writeSync(changed, Uint8Array.of(9), 0, 1, 32);
  expect(new KeptState(changed).takeLeft()).toBeUndefined();
  const short = leave(state);
  ftruncateSync(short, 34);
  expect(new KeptState(short).takeLeft()).toBeUndefined();
});

test('a state from a later time is none', () => {
  const fd = leave(Uint8Array.of(1));
  const time = Buffer.alloc(8);
  time.writeBigInt64LE(process.hrtime.bigint() + 10n ** 12n);
  writeSync(fd, time, 0, 8, 8);
  expect(new KeptState(fd).takeLeft()).toBeUndefined();
});

test('a file that cannot be read is none', () => {
  const fd = openSync('/dev/null', 'w');
  onTestFinished(() => closeSync(fd));
  expect(new KeptState(fd).takeLeft()).toBeUndefined();
});

test('of states of any lengths the latest one that is whole is there, while another one is written, and after it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(300_000), fc.nat(300_000), fc.boolean()), { maxLength: 12 }),
      (states) => {
        const kept = new KeptState(undefined);
        let latest: Buffer | undefined;
        for (const [i, [length, about, isEnded]] of states.entries()) {
          const state = Buffer.alloc(length, i + 1);
          const next = kept.replace(about);
          for (let at = 0; at < length; at += 50_000) {
            next.add(state.subarray(at, at + 50_000));
            expect(isWhole(kept, latest)).toBe(latest === undefined ? undefined : true);
          }
          if (isEnded) {
            next.end();
            latest = state;
          }
          expect(isWhole(kept, latest)).toBe(latest === undefined ? undefined : true);
        }
        kept.close();
      },
    ),
    { numRuns: 50 },
  );
});

test('the file does not grow while states of about one length are written', () => {
  const kept = new KeptState(undefined);
  onTestFinished(() => kept.close());
  for (let i = 0; i < 50; i++) write(kept, new Uint8Array(1_000_000 + 100 * i), 1_000_000);
  expect(fstatSync(kept.fd).size).toBeLessThan(3_000_000);
});

test('the file behind a shorter state is given back some at a time, and nothing of it while the next one is written', async () => {
  const kept = new KeptState(undefined);
  onTestFinished(() => kept.close());
  const size = (): number => fstatSync(kept.fd).size;
  write(kept, new Uint8Array(20_000_000));
  write(kept, Uint8Array.of(1, 2)); // behind it
  const sizes = [size()];
  write(kept, Uint8Array.of(3)); // in front
  sizes.push(size());
  const next = kept.replace();
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  sizes.push(size());
  next.add(Uint8Array.of(4));
  next.end();
  for (let turn = 0; turn < 12; turn++) {
    sizes.push(size());
    await new Promise(setImmediate);
  }
  expect(sizes[2]).toBe(sizes[1]);
  for (const [i, now] of sizes.slice(1).entries()) expect(sizes[i]! - now).toBeLessThanOrEqual(4 << 20);
  expect(sizes.at(-1)).toBeLessThan(100_000);
  expect([...readState(kept.fd)!.state]).toEqual([4]);
});

test('after its end nothing of it is given back: another file may have its number', async () => {
  const kept = new KeptState(undefined);
  write(kept, new Uint8Array(20_000_000));
  write(kept, Uint8Array.of(1));
  write(kept, Uint8Array.of(2)); // in front
  kept.close();
  const other = new KeptState(undefined);
  onTestFinished(() => other.close());
  expect(other.fd).toBe(kept.fd);
  ftruncateSync(other.fd, 20_000_000);
  for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate);
  expect(fstatSync(other.fd).size).toBe(20_000_000);
});

test('an empty part changes nothing', () => {
  const kept = new KeptState(undefined);
  onTestFinished(() => kept.close());
  const next = kept.replace();
  const empty = new Uint8Array(0);
  expect(empty.buffer.byteLength).toBe(0); // the array has a buffer of its own from now on
  for (const part of [Uint8Array.of(1, 2), empty, Uint8Array.of(3)]) next.add(part);
  next.end();
  expect([...readState(kept.fd)!.state]).toEqual([1, 2, 3]);
});
