import { describe, expect, test } from 'vitest';
import { SeededEntropy } from '../sim/index.ts';
import { Contacts, NO_CONTACT } from './contacts.ts';
import type { ContactLimits } from './contacts.ts';

function setUp(limits?: Partial<ContactLimits>) {
  const log: string[] = [];
  const contacts: Contacts = new Contacts(
    {
      attempt: (contact, now) =>
        log.push(`${now}: attempt ${contacts.rows.attemptsOf(contact)} of ${contacts.rows.peerOf(contact)}`),
      failed: (contact, now) => {
        const { rows } = contacts;
        log.push(`${now}: ${rows.peerOf(contact)} failed, ${rows.waitingOf(contact)} lost`);
      },
      crowdedOut: (packets) => log.push(`${packets} crowded out`),
    },
    { packetsPerPeer: 4, bytesPerPeer: 1_000, bytes: 2_000, ...limits },
  );
  const run = (until: number) => {
    for (let due = contacts.pollTimeout(); due <= until; due = contacts.pollTimeout())
      contacts.handleTimeout(due);
  };
  /** Ends the contact with this peer; the packets that waited, or undefined without a contact. */
  const finish = (peer: number): Uint8Array[] | undefined => {
    const contact = contacts.finish(peer);
    if (contact === NO_CONTACT) return undefined;
    const waiting = [...contacts.rows.packetsOf(contact)];
    contacts.release(contact);
    return waiting;
  };
  return { contacts, log, run, finish };
}

const packet = (fill: number, length = 100) => new Uint8Array(length).fill(fill);

describe('Contacts', () => {
  test('CL-62, CL-65, R-8, A-2: attempts at 0, 2, 4 and 6 s, failure at 8 s', () => {
    const { contacts, log, run } = setUp();
    contacts.enqueue(contacts.begin(7, 0), packet(1), 0, 100);
    run(60_000);
    expect(log).toEqual([
      '0: attempt 1 of 7',
      '2000: attempt 2 of 7',
      '4000: attempt 3 of 7',
      '6000: attempt 4 of 7',
      '8000: 7 failed, 1 lost',
    ]);
    expect(contacts.isEmpty).toBe(true);
    expect(contacts.rows.inUse).toBe(0);
    expect(contacts.pollTimeout()).toBe(Infinity);
  });

  test('of very many that are due at once, some are repeated at each timeout, and all in the end', () => {
    const { contacts, log } = setUp();
    for (let peer = 0; peer < 1_000; peer++) contacts.begin(peer, 0);
    for (const [at, word] of [
      [2_000, 'attempt 2'],
      [4_000, 'attempt 3'],
      [6_000, 'attempt 4'],
      [8_000, 'failed'],
    ] as const) {
      const turns: number[] = [];
      while (contacts.pollTimeout() <= at) {
        log.length = 0;
        contacts.handleTimeout(at);
        expect(log.every((line) => line.includes(word))).toBe(true);
        turns.push(log.length);
      }
      expect(turns.reduce((sum, one) => sum + one, 0)).toBe(1_000);
      expect(Math.max(...turns)).toBeLessThanOrEqual(128);
    }
    expect(contacts.isEmpty).toBe(true);
  });

  test('beginning a second time joins the first contact', () => {
    const { contacts, log } = setUp();
    expect(contacts.begin(7, 0)).toBe(contacts.begin(7, 500));
    expect(log).toEqual(['0: attempt 1 of 7']);
  });

  test('a contact that the local host wants, too, starts its attempts again, once', () => {
    const { contacts, log, run } = setUp();
    contacts.begin(7, 0);
    contacts.begin(8, 100);
    run(6_400);
    log.length = 0;
    const contact = contacts.begin(7, 6_500, undefined, true);
    contacts.enqueue(contact, packet(1), 0, 100);
    expect(contacts.begin(7, 6_600, undefined, true)).toBe(contact);
    expect(contacts.pollTimeout()).toBe(8_100);
    run(60_000);
    expect(log).toEqual([
      '6500: attempt 1 of 7',
      '8100: 8 failed, 0 lost',
      '8500: attempt 2 of 7',
      '10500: attempt 3 of 7',
      '12500: attempt 4 of 7',
      '14500: 7 failed, 1 lost',
    ]);
  });

  test('R-9, CL-68: packets wait first in, first out, as copies, up to the limits of a peer', () => {
    const { contacts, finish } = setUp();
    const contact = contacts.begin(7, 0);
    const buffer = packet(1);
    expect(contacts.enqueue(contact, buffer, 10, 30)).toBe(true);
    buffer.fill(2);
    expect(contacts.enqueue(contact, buffer, 0, 5)).toBe(true);
    expect(contacts.enqueue(contact, packet(3, 976), 0, 976)).toBe(false);
    expect(contacts.enqueue(contact, packet(4), 0, 1)).toBe(true);
    expect(contacts.enqueue(contact, packet(5), 0, 1)).toBe(true);
    expect(contacts.enqueue(contact, packet(6), 0, 1)).toBe(false);
    const waiting = finish(7)!;
    expect(waiting.map((bytes) => [bytes[0], bytes.length])).toEqual([
      [1, 20],
      [2, 5],
      [4, 1],
      [5, 1],
    ]);
    expect(finish(7)).toBe(undefined);
    expect(contacts.rows.inUse).toBe(0);
  });

  test('R-31: one limit for the packets of all contacts; the longest waiting contacts lose theirs', () => {
    const { contacts, log, finish } = setUp();
    for (let peer = 0; peer < 50; peer++)
      contacts.enqueue(contacts.begin(peer, peer), packet(peer, 900), 0, 900);
    expect(log.filter((line) => line === '1 crowded out')).toHaveLength(48);
    const kept = Array.from({ length: 50 }, (_, peer) => finish(peer)!.length);
    expect(kept).toEqual([...Array.from({ length: 48 }, () => 0), 1, 1]);
  });

  test("packets of strangers' contacts give way to those of the local host's contacts, and not the other way round", () => {
    const { contacts, finish } = setUp();
    contacts.enqueue(contacts.begin(1, 0, undefined, true), packet(1, 900), 0, 900);
    contacts.enqueue(contacts.begin(2, 0), packet(2, 900), 0, 900);
    contacts.begin(2, 0, undefined, true);
    expect(contacts.enqueue(contacts.begin(3, 0), packet(3, 900), 0, 900)).toBe(false);
    contacts.enqueue(contacts.begin(4, 0), packet(4, 100), 0, 100);
    contacts.enqueue(contacts.begin(5, 0, undefined, true), packet(5, 200), 0, 200);
    expect([1, 2, 3, 4, 5].map((peer) => finish(peer)!.length)).toEqual([1, 1, 0, 0, 1]);
  });

  test('a packet longer than the limit of all contacts is refused, even if no other waits', () => {
    const { contacts, finish } = setUp({ bytes: 50, bytesPerPeer: 1_000 });
    const contact = contacts.begin(1, 0);
    expect(contacts.enqueue(contact, packet(1), 0, 100)).toBe(false);
    expect(contacts.enqueue(contact, packet(1), 0, 50)).toBe(true);
    expect(contacts.enqueue(contact, packet(2), 0, 50)).toBe(true);
    expect(finish(1)!.map(([first]) => first)).toEqual([2]);
  });

  test('the limit of all contacts counts only packets that still wait', () => {
    const { contacts, run, finish } = setUp();
    for (let round = 0; round < 100; round++) {
      contacts.enqueue(contacts.begin(round, round * 10_000), packet(1, 900), 0, 900);
      if (round % 2 === 0) finish(round);
      run((round + 1) * 10_000);
    }
    contacts.enqueue(contacts.begin(1_000, 1e7), packet(1, 1_000), 0, 1_000);
    contacts.enqueue(contacts.begin(1_001, 1e7), packet(1, 1_000), 0, 1_000);
    expect(finish(1_000)!.length).toBe(1);
  });

  test('whatever happens in which order, each contact has its own packets and payments, and leaves no rows behind', () => {
    const entropy = new SeededEntropy(5);
    const { contacts, finish } = setUp({ bytes: 1e6 });
    const kept = new Map<number, number[]>();
    for (let i = 0; i < 5_000; i++) {
      const peer = entropy.integer(0, 299);
      const isEnd = entropy.chance(0.3);
      if (isEnd) {
        expect(finish(peer)?.map(([first]) => first)).toEqual(kept.get(peer));
        kept.delete(peer);
        continue;
      }
      const contact = contacts.begin(peer, i, [1, 2, 3, peer], entropy.chance(0.1));
      if (!kept.has(peer)) kept.set(peer, []);
      if (contacts.enqueue(contact, packet(i % 256), 0, entropy.integer(1, 300)))
        kept.get(peer)!.push(i % 256);
      contacts.rows.pay(contact, { from: 'reserve', at: i, requester: [4, 5, 6, peer] });
      expect(contacts.rows.requesterOf(contact)).toEqual([1, 2, 3, peer]);
      for (const { from, requester } of contacts.rows.paymentsOf(contact))
        expect([from, requester?.[3]]).toEqual(['reserve', peer]);
    }
    expect([...contacts.packets()].length).toBe([...kept.values()].flat().length);
    for (const peer of kept.keys()) finish(peer);
    expect([contacts.rows.inUse, contacts.isEmpty]).toEqual([0, true]);
  });

  test('the payments of a contact are copies: each has the requester that it was noted with', () => {
    const { contacts } = setUp();
    const contact = contacts.begin(7, 0);
    for (const peer of [1, 2])
      contacts.rows.pay(contact, { from: 'shared', at: peer, requester: [0, 0, 0, peer] });
    const paid = contacts.rows.paymentsOf(contact);
    expect(paid.map(({ at, requester }) => [at, requester])).toEqual([
      [1, [0, 0, 0, 1]],
      [2, [0, 0, 0, 2]],
    ]);
  });

  test('many contacts due at once are each repeated once', () => {
    const { contacts, log } = setUp();
    for (let peer = 0; peer < 100; peer++) contacts.begin(peer, 0);
    contacts.handleTimeout(5_000);
    expect(log.length).toBe(200);
    expect(contacts.pollTimeout()).toBe(7_000);
  });
});
