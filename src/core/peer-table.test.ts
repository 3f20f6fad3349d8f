import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BubbleGaps } from './bubble-gaps.ts';
import { PeerIndex } from './peer-index.ts';
import { TableGrowth } from './table-growth.ts';
import { Times } from './times.ts';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { makeTeredoAddress, toHex, writeUint32 } from '../wire/index.ts';
import { NO_PEER, PeerTable, TRUSTED, UNVERIFIED } from './peer-table.ts';

const table = (trusted = 1_000, unverified = 1_000, onEvict: (peer: number) => void = () => {}) =>
  new PeerTable({ trusted, unverified }, new SeededEntropy(3), onEvict);

/** The `n`th Teredo client with this mapped address. */
const client = (mappedAddress: number, n = 0) =>
  makeTeredoAddress({ server: 0xcb007178, flags: 0, mappedAddress, mappedPort: n + 1 });

const address = (n: number) => client(0x08000000 + n);

/** Inserts a trusted peer that was heard now. */
function addTrusted(peers: PeerTable, ipv6: Uint8Array, now: number): boolean {
  const peer = peers.insert(ipv6, 0);
  peers.lastReceived.set(peer, now);
  return peers.trust(peer, now);
}

describe('PeerTable', () => {
  test('a new peer is unverified and blank, and its first bubble is allowed: CL-91, CL-115', () => {
    const peers = table();
    const peer = peers.insert(address(1), 0);
    expect(peers.status[peer]).toBe(UNVERIFIED);
    expect(peers.isValid(peer, 0)).toBe(false);
    expect(peers.mayBubble(peer, -1e9)).toBe(true);
    expect(peers.address(peer)).toEqual(address(1));
    expect(peers.serverOf(peer)).toBe(0xcb007178);
    expect([peers.mappedAddress[peer], peers.mappedPort[peer], peers.proofHigh[peer]]).toEqual([0, 0, 0]);
  });

  test('no step of a walk looks at many slots, however few peers a large table has', () => {
    const peers = table(20_000, 20_000);
    for (let n = 0; n < 20_000; n++) peers.insert(address(n), 0);
    for (let n = 0; n < 19_999; n++) peers.remove(peers.find(address(n), 0));
    let [steps, seen] = [0, 0];
    for (const peer of peers.walkInSteps()) {
      steps++;
      if (peer !== NO_PEER) seen++;
    }
    expect(seen).toBe(1);
    expect(steps).toBeGreaterThan(2 * Math.floor(20_000 / 4_096));
  });

  test('a slot that was used before is blank again', () => {
    const peers = table(1, 1);
    const first = peers.insert(address(1), 0);
    peers.mappedAddress[first] = 5;
    peers.proofLow[first] = 7;
    peers.lastReceived.set(first, 8);
    peers.localSeen.set(first, 8);
    for (let i = 0; i < 4; i++) peers.countBubble(first, 10 + i);
    peers.remove(first);
    for (let i = 2; i < 4; i++) {
      const peer = peers.insert(address(i), 0);
      expect(peers.mappedAddress[peer]).toBe(0);
      expect(peers.proofLow[peer]).toBe(0);
      expect(peers.lastReceived.at(peer)).toBe(-Infinity);
      expect(peers.localSeen.at(peer)).toBe(-Infinity);
      expect(peers.mayBubble(peer, 20)).toBe(true);
    }
  });

  test('CL-60, R-26: a trusted peer is valid for 30 s after it was heard', () => {
    const peers = table();
    const peer = peers.insert(address(1), 0);
    peers.lastReceived.set(peer, 1_000);
    expect(peers.isValid(peer, 1_000)).toBe(false);
    peers.trust(peer, 1_000);
    expect(peers.isValid(peer, 30_999)).toBe(true);
    expect(peers.isValid(peer, 31_000)).toBe(false);
  });

  test('CL-93, R-33: bubbles are 2 s apart', () => {
    const peers = table();
    const peer = peers.insert(address(1), 0);
    peers.countBubble(peer, 0);
    expect(peers.mayBubble(peer, 1_999)).toBe(false);
    expect(peers.mayBubble(peer, 2_000)).toBe(true);
    peers.resetBubbles(peer);
    expect(peers.mayBubble(peer, 1_999)).toBe(false);
  });

  test('CL-94, R-33: four bubbles in any period of 300 s', () => {
    const peers = table();
    const peer = peers.insert(address(1), 0);
    const sent: number[] = [];
    for (let now = 0; now < 1_000_000; now += 500) {
      if (!peers.mayBubble(peer, now)) continue;
      peers.countBubble(peer, now);
      sent.push(now / 1000);
    }
    expect(sent.slice(0, 8)).toEqual([0, 2, 4, 6, 300, 302, 304, 306]);
  });

  test('CL-95: an answer restores the whole budget; a sign of life allows one bubble', () => {
    const peers = table();
    const peer = peers.insert(address(1), 0);
    for (let i = 0; i < 4; i++) peers.countBubble(peer, i * 2_000);
    expect(peers.bubbleCount(peer)).toBe(4);
    expect(peers.hasBubbleBudget(peer, 100_000)).toBe(false);
    peers.grantBubble(peer);
    expect(peers.mayBubble(peer, 100_000)).toBe(true);
    peers.countBubble(peer, 100_000);
    expect(peers.mayBubble(peer, 102_000)).toBe(false);
    peers.resetBubbles(peer);
    expect(peers.bubbleCount(peer)).toBe(0);
    for (let i = 0; i < 4; i++) {
      expect(peers.mayBubble(peer, 104_000 + i * 2_000)).toBe(true);
      peers.countBubble(peer, 104_000 + i * 2_000);
    }
    expect(peers.mayBubble(peer, 112_000)).toBe(false);
  });

  test('R-31: unverified peers push out only unverified peers, the oldest first', () => {
    const evicted: string[] = [];
    const peers = table(10, 10, (peer) => evicted.push(toHex(peers.address(peer))));
    for (let i = 0; i < 10; i++) addTrusted(peers, address(i), 0);
    for (let i = 100; i < 200; i++) peers.insert(address(i), 0);
    expect([peers.trustedCount, peers.unverifiedCount]).toEqual([10, 10]);
    expect(evicted).toEqual(Array.from({ length: 90 }, (_, i) => toHex(address(100 + i))));
    for (let i = 0; i < 10; i++) expect(peers.find(address(i), 0)).not.toBe(NO_PEER);
  });

  test('a peer that is contacted again is the last to be removed', () => {
    const peers = table(10, 3);
    const first = peers.insert(address(1), 0);
    for (let i = 2; i < 4; i++) peers.insert(address(i), 0);
    peers.renew(first);
    peers.insert(address(4), 0);
    expect(peers.find(address(1), 0)).toBe(first);
    expect(peers.find(address(2), 0)).toBe(NO_PEER);
  });

  test('a full table removes a peer that is no longer valid', () => {
    const peers = table(100, 10);
    for (let i = 0; i < 99; i++) addTrusted(peers, address(i), i === 20 ? 0 : 30_000);
    addTrusted(peers, address(99), 30_000);
    expect(addTrusted(peers, address(200), 30_001)).toBe(true);
    expect(peers.find(address(20), 0)).toBe(NO_PEER);
    expect(peers.trustedCount).toBe(100);
  });

  test('many peers of one IPv4 address push out their own kind, and leave room for others', () => {
    const peers = table(1_000, 100);
    for (let i = 0; i < 100; i++) addTrusted(peers, address(i), 0);
    let refused = 0;
    for (let i = 0; i < 5_000; i++) if (!addTrusted(peers, client(0x01010101, i), 1)) refused++;
    expect(refused).toBeGreaterThan(4_000);
    for (let i = 100; i < 400; i++) expect(addTrusted(peers, address(i), 2)).toBe(true);
    for (let i = 0; i < 400; i++) expect(peers.status[peers.find(address(i), 0)]).toBe(TRUSTED);
    expect(peers.trustedCount).toBe(1_000);
  });

  test('if all peers are valid, and no origin has more peers than that of the new one, the new one stays unverified', () => {
    const peers = table(50, 10);
    for (let i = 0; i < 50; i++) addTrusted(peers, address(i), 0);
    expect(addTrusted(peers, address(99), 1)).toBe(false);
    expect(peers.status[peers.find(address(99), 0)]).toBe(UNVERIFIED);
  });

  test('among peers of ever new addresses that came by themselves, one that was sent to has room', () => {
    const peers = table(200);
    const used = address(0);
    const first = peers.insert(used, 0);
    peers.countBubble(first, 0);
    peers.lastReceived.set(first, 0);
    expect(peers.trust(first, 0)).toBe(true);
    for (let n = 1; n < 200; n++) expect(addTrusted(peers, address(n), 0)).toBe(true);
    let trusted = 0;
    for (let n = 200; n < 250; n++) {
      addTrusted(peers, address(n), 1);
      const asked = peers.insert(address(1_000 + n), 0);
      peers.countBubble(asked, 1);
      peers.lastReceived.set(asked, 1);
      if (peers.trust(asked, 1)) trusted++;
    }
    expect(trusted).toBe(50);
    expect(peers.isValid(peers.find(used, 0), 1)).toBe(true);
  });

  test('R-8: a peer that loses trust has to prove itself again, within the limit of unverified peers', () => {
    const peers = table(10, 2);
    addTrusted(peers, address(1), 0);
    for (let i = 2; i < 4; i++) peers.insert(address(i), 0);
    const peer = peers.find(address(1), 0);
    peers.distrust(peer);
    expect(peers.status[peer]).toBe(UNVERIFIED);
    expect([peers.trustedCount, peers.unverifiedCount]).toEqual([0, 2]);
    expect(peers.find(address(2), 0)).toBe(NO_PEER);
  });

  test('sweeping removes peers without traffic for 300 s, and examines a bounded number', () => {
    const peers = table();
    for (let i = 0; i < 20; i++) {
      addTrusted(peers, address(i), i < 10 ? 0 : 200_000);
      peers.lastSent.set(peers.insert(address(100 + i), 0), i % 2 === 0 ? 0 : 200_000);
    }
    peers.sweep(300_000, 5);
    expect([peers.trustedCount, peers.unverifiedCount]).toEqual([15, 17]);
    for (let i = 0; i < 4; i++) peers.sweep(300_000, 5);
    expect([peers.trustedCount, peers.unverifiedCount]).toEqual([10, 10]);
    peers.clear();
    expect([...peers]).toEqual([]);
  });

  test.each([
    ['client', true, 80],
    ['relay', false, 57],
  ] as const)(
    'a million peers of a %s: none lost, none confused with another, few bytes each',
    (_, isClient, most) => {
      const limits = { trusted: 1_000_000, unverified: 65_536 };
      const peers = new PeerTable(limits, new SeededEntropy(3), () => {}, isClient);
      const ipv6 = address(0);
      for (let i = 0; i < 1_000_000; i++) {
        writeUint32(ipv6, 12, i);
        peers.trust(peers.insert(ipv6, 0), 0);
      }
      expect(peers.trustedCount).toBe(1_000_000);
      for (let i = 0; i < 1_000_000; i += 97) {
        writeUint32(ipv6, 12, i);
        const peer = peers.find(ipv6, 0);
        expect(toHex(peers.address(peer))).toBe(toHex(ipv6));
      }
      writeUint32(ipv6, 12, 1_000_001);
      expect(peers.find(ipv6, 0)).toBe(NO_PEER);
      expect(bytesOf(peers) / 1_000_000).toBeLessThan(most);
      expect(bytesOf(peers) / 1_000_000).toBeGreaterThan(most - 25);
    },
    30_000,
  );

  test('grows in steps: a newcomer never waits for more than a column, or a part of one', () => {
    const peers = table(200_000, 1_000);
    const ipv6 = address(0);
    const names = Object.keys(peers) as (keyof PeerTable)[];
    const sizeOf = (name: keyof PeerTable): number => {
      const value: unknown = peers[name];
      return isColumn(value) ? value.byteLength : 0;
    };
    const sizes = names.map(sizeOf);
    let steps = 0;
    for (let i = 0; i < 150_000; i++) {
      writeUint32(ipv6, 12, i);
      peers.trust(peers.insert(ipv6, 0), 0);
      const larger = names.filter((name, column) => {
        const before = sizes[column]!;
        return (sizes[column] = sizeOf(name)) > before;
      });
      if (i > 10_000 && larger.length > 1) expect(larger, `peer ${i}`).toHaveLength(1);
      steps += larger.length;
    }
    expect(steps).toBeGreaterThan(50);
    for (let i = 0; i < 150_000; i += 97) {
      writeUint32(ipv6, 12, i);
      expect(toHex(peers.address(peers.find(ipv6, 0)))).toBe(toHex(ipv6));
    }
  }, 30_000);
});

/** Bytes of all columns, the addresses and the index. */
function bytesOf(peers: PeerTable): number {
  return Object.values(peers)
    .filter(isColumn)
    .reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isColumn(value: unknown): value is { readonly byteLength: number } {
  return (
    [BubbleGaps, PeerIndex, TableGrowth, Times].some((one) => value instanceof one) ||
    ArrayBuffer.isView(value)
  );
}

/** The model of the table, in plain maps: insertion order is the order of eviction. */
class Model {
  readonly unverified = new Map<number, ModelPeer>();
  readonly trusted = new Map<number, ModelPeer>();

  get(n: number): ModelPeer | undefined {
    return this.trusted.get(n) ?? this.unverified.get(n);
  }

  insert(n: number, limit: number): void {
    this.makeRoom(limit);
    this.unverified.set(n, { heard: -Infinity, bubbles: [], unanswered: 0 });
  }

  makeRoom(limit: number): void {
    if (this.unverified.size < limit) return;
    const [oldest] = this.unverified.keys();
    this.unverified.delete(oldest);
  }

  mayBubble(n: number, now: number): boolean {
    const { bubbles, unanswered } = this.get(n)!;
    if (now - (bubbles.at(-1) ?? -Infinity) < 2_000) return false;
    return unanswered < 4 || now - bubbles.at(-4)! >= 300_000;
  }
}

interface ModelPeer {
  heard: number;
  readonly bubbles: number[];
  unanswered: number;
}

const UNVERIFIED_LIMIT = 40;

describe('PeerTable against a model', () => {
  const step = fc.record({
    what: fc.constantFrom('insert', 'insert', 'trust', 'heard', 'bubble', 'renew', 'distrust', 'remove'),
    n: fc.integer({ min: 0, max: 700 }),
    wait: fc.integer({ min: 0, max: 2_000 }).map((hundredths) => hundredths * 10),
  });

  test('after any operations both have the same content', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 2_500 }), fc.integer(), (steps, seed) => {
        const evicted: number[] = [];
        const peers = new PeerTable(
          { trusted: 1_000, unverified: UNVERIFIED_LIMIT },
          new SeededEntropy(seed),
          (peer) => evicted.push(peer),
        );
        const model = new Model();
        let now = 0;
        for (const { what, n, wait } of steps) {
          now += wait;
          act(peers, model, what, n, now);
          const known = model.get(n);
          const peer = peers.find(address(n), 0);
          expect(peer !== NO_PEER).toBe(known !== undefined);
          if (known === undefined) continue;
          expect(peers.status[peer]).toBe(model.trusted.has(n) ? TRUSTED : UNVERIFIED);
          expect(peers.isValid(peer, now)).toBe(model.trusted.has(n) && now - known.heard < 30_000);
          expect(peers.mayBubble(peer, now)).toBe(model.mayBubble(n, now));
        }
        const listed = [...peers].map((peer) => toHex(peers.address(peer)));
        const expected = [...model.trusted.keys(), ...model.unverified.keys()];
        expect(listed).toEqual(expected.map((n) => toHex(address(n))));
      }),
      { numRuns: 150 },
    );
  });
});

function act(peers: PeerTable, model: Model, what: string, n: number, now: number): void {
  const known = model.get(n);
  const peer = peers.find(address(n), 0);
  if (known === undefined) {
    if (what !== 'insert') return;
    peers.insert(address(n), 0);
    model.insert(n, UNVERIFIED_LIMIT);
  } else if (what === 'trust') {
    peers.trust(peer, now);
    if (model.unverified.delete(n)) model.trusted.set(n, known);
  } else if (what === 'heard') {
    peers.lastReceived.set(peer, now);
    known.heard = now;
    peers.resetBubbles(peer);
    known.unanswered = 0;
  } else if (what === 'bubble' && model.mayBubble(n, now)) {
    peers.countBubble(peer, now);
    known.bubbles.push(now);
    known.unanswered++;
  } else if (what === 'renew') {
    peers.renew(peer);
    if (model.unverified.delete(n)) model.unverified.set(n, known);
  } else if (what === 'distrust') {
    peers.distrust(peer);
    if (!model.trusted.delete(n)) return;
    model.makeRoom(UNVERIFIED_LIMIT);
    model.unverified.set(n, known);
  } else if (what === 'remove') {
    peers.remove(peer);
    model.trusted.delete(n);
    model.unverified.delete(n);
  }
}
