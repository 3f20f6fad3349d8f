import { expect, test } from 'vitest';
import { SocketArrivals } from './socket-arrivals.ts';

/** A host, second by second: so many datagrams are left to the sockets, and so many arrive there. */
class Host {
  readonly arrivals = new SocketArrivals();
  now = 5_000;
  private readonly counts = { left: 100, arrived: 70, overflows: 3 };

  constructor() {
    this.seconds(1, 0, 0);
  }

  /** For so long, or until something changes; how many seconds that was. */
  seconds(most: number, left: number, arrived: number, overflows = 0): number {
    const before = this.arrivals.why;
    for (let second = 1; second <= most; second++) {
      this.now += 1_000;
      this.counts.left += left;
      this.counts.arrived += arrived;
      this.counts.overflows += overflows;
      this.arrivals.see(this.now, { ...this.counts });
      if ((this.arrivals.why === undefined) !== (before === undefined)) return second;
    }
    return most;
  }
}

/** Seconds behind a rest. */
const TRIAL = 5;
const NOTHING_CAME = 'datagrams left to the sockets do not arrive there: something on this host keeps them';

test('while samples arrive all is well', () => {
  const host = new Host();
  expect(host.seconds(1_000, 1, 1)).toBe(1_000);
  // What arrives beside them, from elsewhere, does not matter.
  expect(host.seconds(1_000, 1, 50)).toBe(1_000);
  expect(host.seconds(1_000, 0, 0)).toBe(1_000);
});

test('two that are missing are enough, after the second in which the latter may have been under way', () => {
  const host = new Host();
  host.seconds(10, 1, 1);
  expect(host.seconds(100, 1, 0)).toBe(3);
  expect(host.arrivals.why).toBe(NOTHING_CAME);
  const rare = new Host();
  for (let i = 0; i < 3 && rare.arrivals.why === undefined; i++) {
    rare.seconds(1, 1, 0);
    rare.seconds(5, 0, 0);
  }
  expect(rare.now).toBeLessThanOrEqual(6_000 + 15_000);
  expect(rare.arrivals.why).toBe(NOTHING_CAME);
});

test('a process that was busy for seconds finds its datagrams later', () => {
  const host = new Host();
  host.seconds(1, 1, 0);
  host.seconds(1, 1, 0);
  host.seconds(1, 1, 3);
  expect(host.seconds(100, 1, 1)).toBe(100);
});

test('a rule for one source in four is noticed, and what arrives of the others is not enough', () => {
  const host = new Host();
  let seconds = 0;
  for (; host.arrivals.why === undefined && seconds < 100; seconds++)
    host.seconds(1, 1, seconds % 12 < 9 ? 1 : 0);
  expect(seconds).toBeLessThan(15);
  expect(host.seconds(4_000, 4, 3)).toBe(4_000);
});

test('what a full socket has lost proves nothing', () => {
  const host = new Host();
  expect(host.seconds(100, 1, 0, 1)).toBe(100);
  expect(host.seconds(100, 1, 0)).toBe(3);
});

test('the work begins again once all arrives, after a rest; each rest is twice as long, to ten minutes', () => {
  const host = new Host();
  const rests: number[] = [];
  for (let i = 0; i < 8; i++) {
    host.seconds(100, 1, 0);
    expect(host.arrivals.why).toBe(NOTHING_CAME);
    rests.push(host.seconds(10_000, 20, 20));
    expect(host.arrivals.why).toBeUndefined();
  }
  expect(rests).toEqual([30, 60, 120, 240, 480, 600, 600, 600].map((rest) => rest + TRIAL));
  // All was well for long.
  host.seconds(1_300, 1, 1);
  host.seconds(100, 1, 0);
  expect(host.seconds(10_000, 20, 20)).toBe(30 + TRIAL);
});

test('what was missing before the rest was over does not matter', () => {
  const host = new Host();
  host.seconds(100, 1, 0);
  host.seconds(29, 10, 0);
  expect(host.seconds(4_000, 10, 10)).toBe(1 + TRIAL);
});

test('it does not while little of it arrives, or nothing is sent at all', () => {
  const host = new Host();
  host.seconds(100, 1, 0);
  expect(host.seconds(4_000, 20, 10)).toBe(4_000);
  expect(host.seconds(4_000, 0, 0)).toBe(4_000);
  expect(host.seconds(4_000, 20, 20)).toBeLessThanOrEqual(600 + TRIAL);
});

test('in a flood that fills the sockets something that arrives is enough', () => {
  const host = new Host();
  host.seconds(100, 1, 0);
  expect(host.seconds(4_000, 1_000, 400, 600)).toBe(30 + TRIAL);
});

test('after a time in which something else was in the way it counts anew', () => {
  const host = new Host();
  host.seconds(2, 1, 0);
  host.arrivals.forget();
  host.seconds(1, 50, 0);
  expect(host.arrivals.why).toBeUndefined();
  expect(host.seconds(100, 1, 1)).toBe(100);
});
