import { expect, test } from 'vitest';
import { SocketArrivals } from './socket-arrivals.ts';

/** Plays a host second by second: the number of datagrams left to the sockets, and of those that arrive there. */
class Host {
  readonly arrivals = new SocketArrivals();
  now = 5_000;
  private readonly counts = { left: 100, arrived: 70, overflows: 3 };

  constructor() {
    this.seconds(1, 0, 0);
  }

  /** Repeats for this long, or until the state changes; returns the number of seconds. */
  seconds(most: number, left: number, arrived: number, overflows = 0): number {
    const before = this.arrivals.why;
    for (let second = 1; second <= most; second++) {
      this.now += 1_000;
      this.counts.left += left;
      this.counts.arrived += arrived;
      this.counts.overflows += overflows;
      this.arrivals.update(this.now, { ...this.counts });
      if ((this.arrivals.why === undefined) !== (before === undefined)) return second;
    }
    return most;
  }
}

/** Seconds since the end of the pause. */
const TRIAL = 5;
const NOTHING_CAME =
  'datagrams left to the sockets do not arrive there: a rule or program of this host drops them';

test('samples arrive: the program works', () => {
  const host = new Host();
  expect(host.seconds(1_000, 1, 1)).toBe(1_000);
  // Datagrams from elsewhere that arrive, too, do not matter.
  expect(host.seconds(1_000, 1, 50)).toBe(1_000);
  expect(host.seconds(1_000, 0, 0)).toBe(1_000);
});

test('two missing samples are enough, once the second is over in which the latter may still be under way', () => {
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

test('a process that was busy for seconds receives its datagrams later', () => {
  const host = new Host();
  host.seconds(1, 1, 0);
  host.seconds(1, 1, 0);
  host.seconds(1, 1, 3);
  expect(host.seconds(100, 1, 1)).toBe(100);
});

test('a rule that drops one source of four is noticed, though the datagrams of the others arrive', () => {
  const host = new Host();
  let seconds = 0;
  for (; host.arrivals.why === undefined && seconds < 100; seconds++)
    host.seconds(1, 1, seconds % 12 < 9 ? 1 : 0);
  expect(seconds).toBeLessThan(15);
  expect(host.seconds(4_000, 4, 3)).toBe(4_000);
});

test('datagrams lost at a full socket prove nothing', () => {
  const host = new Host();
  expect(host.seconds(100, 1, 0, 1)).toBe(100);
  expect(host.seconds(100, 1, 0)).toBe(3);
});

test('the work begins again once all arrives, after a pause; each pause is twice as long as the one before, up to ten minutes', () => {
  const host = new Host();
  const rests: number[] = [];
  for (let i = 0; i < 8; i++) {
    host.seconds(100, 1, 0);
    expect(host.arrivals.why).toBe(NOTHING_CAME);
    rests.push(host.seconds(10_000, 20, 20));
    expect(host.arrivals.why).toBeUndefined();
  }
  expect(rests).toEqual([30, 60, 120, 240, 480, 600, 600, 600].map((rest) => rest + TRIAL));
  // After a long time without a fault the next pause is a short one.
  host.seconds(1_300, 1, 1);
  host.seconds(100, 1, 0);
  expect(host.seconds(10_000, 20, 20)).toBe(30 + TRIAL);
});

test('datagrams that were missing before the pause was over do not matter', () => {
  const host = new Host();
  host.seconds(100, 1, 0);
  host.seconds(29, 10, 0);
  expect(host.seconds(4_000, 10, 10)).toBe(1 + TRIAL);
});

test('the work does not begin again while few of them arrive, or nothing is sent', () => {
  const host = new Host();
  host.seconds(100, 1, 0);
  expect(host.seconds(4_000, 20, 10)).toBe(4_000);
  expect(host.seconds(4_000, 0, 0)).toBe(4_000);
  expect(host.seconds(4_000, 20, 20)).toBeLessThanOrEqual(600 + TRIAL);
});

test('in a flood that fills the sockets one arrival is enough', () => {
  const host = new Host();
  host.seconds(100, 1, 0);
  expect(host.seconds(4_000, 1_000, 400, 600)).toBe(30 + TRIAL);
});

test('after a time in which the program was idle for another reason the count starts again', () => {
  const host = new Host();
  host.seconds(2, 1, 0);
  host.arrivals.forget();
  host.seconds(1, 50, 0);
  expect(host.arrivals.why).toBeUndefined();
  expect(host.seconds(100, 1, 1)).toBe(100);
});
