import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededEntropy } from '../../sim/seeded-entropy.ts';
import { KEPT, NO_USERS, Summary } from './summary.ts';
import type { UserCounts } from './summary.ts';

const keyOf = (user: number) => Uint32Array.of(0x20010000, 7, user, user * 3);

/** Octets by user. */
class Exact {
  readonly octets = new Map<number, number>();
  total = 0;

  add(user: number, octets: number): void {
    this.octets.set(user, (this.octets.get(user) ?? 0) + octets);
    this.total += octets;
  }
}

const counted = (users: UserCounts, i: number) => users.received[i]! + users.sent[i]!;

/** Users for which a summary states something else than the exact counts allow. */
function wrong(users: UserCounts, exact: Exact): number[] {
  const missing = new Map(exact.octets);
  const found: number[] = [];
  for (let i = 0; i < users.count; i++) {
    const user = users.keys[4 * i + 2]!;
    const truth = exact.octets.get(user)!;
    if (counted(users, i) > truth || counted(users, i) + users.missed[i]! < truth) found.push(user);
    missing.delete(user);
  }
  for (const [user, octets] of missing) if (octets > users.error) found.push(user);
  return found;
}

function expectTrue(users: UserCounts, exact: Exact): void {
  expect(wrong(users, exact)).toEqual([]);
  expect(users.error).toBeLessThanOrEqual(exact.total / (KEPT + 1));
  expect(users.receivedTotal + users.sentTotal).toBe(exact.total);
}

/** Packets of so many users in turn that some of them come back after they have been removed. */
const streams = fc.record({
  users: fc.constantFrom(3, 300, 600, 5_000),
  packets: fc.integer({ min: 1_000, max: 3_000 }),
  stride: fc.constantFrom(1, 7, 7_919),
  /** The packets of users are equally large, or not. */
  sizes: fc.constantFrom(1, 2, 1_400),
});

function fill(summary: Summary, exact: Exact, { users, packets, stride, sizes }: Stream): void {
  for (let i = 0; i < packets; i++) {
    const user = (i * stride) % users;
    const octets = 40 + ((i * 31) % sizes);
    const isSent = i % 3 === 0;
    summary.add(keyOf(user), isSent ? 0 : octets, isSent ? octets : 0);
    exact.add(user, octets);
  }
}

type Stream = typeof streams extends fc.Arbitrary<infer T> ? T : never;

describe('Summary', () => {
  test('counts exactly while there are few users', () => {
    const summary = new Summary(new SeededEntropy(1));
    for (let round = 0; round < 10; round++)
      for (let user = 0; user < KEPT; user++) summary.add(keyOf(user), user, 1);
    const users = summary.freeze();
    expect(users).toMatchObject({ count: KEPT, error: 0, sentTotal: 10 * KEPT });
    for (let i = 0; i < KEPT; i++) {
      expect(users.received[i]).toBe(10 * users.keys[4 * i + 2]!);
      expect(users.missed[i]).toBe(0);
    }
  });

  test('is within its error of an exact count, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(streams, { minLength: 1, maxLength: 4 }), fc.integer(), (several, seed) => {
        const summary = new Summary(new SeededEntropy(seed));
        const exact = new Exact();
        for (const stream of several) fill(summary, exact, stream);
        expectTrue(summary, exact);
        expectTrue(summary.freeze(), exact);
        expectTrue(summary, exact);
      }),
      { numRuns: 30 },
    );
  });

  test('so is the sum of several', () => {
    fc.assert(
      fc.property(fc.array(streams, { minLength: 2, maxLength: 5 }), (several) => {
        const sum = new Summary(new SeededEntropy(3));
        const exact = new Exact();
        for (const stream of several) {
          const part = new Summary(new SeededEntropy(4));
          fill(part, exact, stream);
          sum.merge(part.freeze());
        }
        expectTrue(sum, exact);
      }),
      { numRuns: 20 },
    );
  });

  test('a large user is counted exactly in a sum, however many others are missed', () => {
    const sum = new Summary(new SeededEntropy(3));
    for (let part = 0; part < 4; part++) {
      const summary = new Summary(new SeededEntropy(4));
      for (let i = 0; i < 2_000; i++) summary.add(keyOf(i % 10 === 0 ? 0 : 1_000 * part + i), 0, 100);
      sum.merge(summary.freeze());
    }
    const at = sum.keys.findIndex((word, i) => i % 4 === 2 && word === 0) >> 2;
    expect(sum.error).toBeGreaterThan(0);
    expect([sum.sent[at], sum.missed[at]]).toEqual([4 * 200 * 100, 0]);
  });

  test('a sender of ever new addresses pushes out no large user, and takes no memory', () => {
    const summary = new Summary(new SeededEntropy(5));
    const room = summary.keys.length;
    let invented = 1_000;
    for (let i = 0; i < 200_000; i++) {
      summary.add(keyOf(invented++), 1_280, 0);
      if (i % 50 === 0) summary.add(keyOf(1), 0, 1_280); // 2 % of all
    }
    const users = summary.freeze();
    const at = Array.from({ length: users.count }, (_, i) => i).find((i) => users.keys[4 * i + 2] === 1)!;
    expect(users.sent[at]).toBeGreaterThan(0.8 * 4_000 * 1_280);
    expect(users.sent[at]! + users.missed[at]!).toBeGreaterThanOrEqual(4_000 * 1_280);
    expect(users.error).toBeLessThanOrEqual((204_000 * 1_280) / KEPT);
    expect(summary.keys).toHaveLength(room);
  });

  test('begins again when it is cleared', () => {
    const summary = new Summary(new SeededEntropy(6));
    for (let user = 0; user < 1_000; user++) summary.add(keyOf(user), 100, 0);
    summary.clear();
    expect(summary.freeze()).toEqual(NO_USERS);
    summary.add(keyOf(1), 5, 6);
    expect(summary.freeze()).toMatchObject({ count: 1, error: 0, receivedTotal: 5, sentTotal: 6 });
  });
});
