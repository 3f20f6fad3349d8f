import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_PEER, PeerTable, TRUSTED } from '../core/peer-table.ts';
import type { KnownPeer } from '../core/known-peer.ts';
import { RelayRig } from '../../test/support/relay-rig.ts';
import { toHex } from '../wire/index.ts';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { wholeState } from '../../test/support/handover-rig.ts';
import { PeerRecords, RECORD, SLOTS_A_PART, readPeers } from './handover-peers.ts';
import { readHandover, relayState } from './handover-state.ts';

const NOW = 1_000_000;

function tableOf(...peers: { last: number; receivedAt: number; sentAt: number }[]): PeerTable {
  const table = new PeerTable({ trusted: 10, unverified: 10 }, new SeededEntropy(1), () => {}, false);
  for (const { last, receivedAt, sentAt } of peers) {
    const peer = table.insert(addressOf(last), 0);
    table.mappedAddress[peer] = 0xc000_0201;
    table.mappedPort[peer] = 40_000 + last;
    table.lastReceived.set(peer, receivedAt);
    table.lastSent.set(peer, sentAt);
    table.trust(peer, NOW);
  }
  return table;
}

function writeHandover(table: PeerTable, now: number, packets: Uint8Array[] = []): Uint8Array {
  return wholeState(relayState(table, now, () => packets));
}

function addressOf(last: number): Uint8Array {
  return Uint8Array.of(0x20, 1, 0, 0, 198, 51, 100, 1, 0, 0, 1, 2, 3, 4, 5, last);
}

test('the successor reads the trusted peers, with the times on its own clock', () => {
  const table = tableOf(
    { last: 1, receivedAt: NOW - 5_000, sentAt: NOW - 10 },
    { last: 2, receivedAt: NOW, sentAt: -Infinity },
  );
  table.insert(addressOf(3), 0); // unverified
  const mappedAddress = 0xc000_0201;
  expect([...readHandover(writeHandover(table, NOW), 50, 0)!.peers]).toEqual([
    {
      address: addressOf(1),
      mappedAddress,
      mappedPort: 40_001,
      lastReceived: -4_950,
      lastSent: 40,
      marks: 0,
      hasLeft: false,
    },
    {
      address: addressOf(2),
      mappedAddress,
      mappedPort: 40_002,
      lastReceived: 50,
      lastSent: -Infinity,
      marks: 0,
      hasLeft: false,
    },
  ]);
});

test('packets that wait follow the peers; one that is cut off is left out', () => {
  const table = tableOf({ last: 1, receivedAt: NOW, sentAt: NOW });
  const packets = [Uint8Array.of(1, 2, 3), new Uint8Array(1_280).fill(7)];
  const state = writeHandover(table, NOW, packets);
  const read = readHandover(state, 50, 0)!;
  expect([[...read.peers].length, [...read.packets].map((one) => Uint8Array.from(one))]).toEqual([
    1,
    packets,
  ]);
  expect([...readHandover(state.subarray(0, -1), 50, 0)!.packets]).toHaveLength(1);
});

test('very many packets that wait are joined to few parts, none of which is long', () => {
  const lengths = Array.from({ length: 20_000 }, (_, i) => (i % 1_000 === 0 ? 30_000 : 40 + (i % 50)));
  const packets = lengths.map((length, i) => new Uint8Array(length).fill(i));
  const state = relayState(tableOf(), NOW, () => packets);
  const parts = Array.from(state.end(true), ({ length }) => length);
  expect(parts.length).toBeLessThan(45);
  expect(Math.max(...parts)).toBeLessThanOrEqual(64 << 10);
  const read = [...readHandover(writeHandover(tableOf(), NOW, packets), 50, 0)!.packets];
  expect(read.length).toBe(packets.length);
  expect(read.every((packet, i) => Buffer.compare(packet, packets[i]!) === 0)).toBe(true);
});

test('packets that have waited for more than 4 s are left out: their senders have sent them again', () => {
  const state = writeHandover(tableOf({ last: 1, receivedAt: NOW, sentAt: NOW }), NOW, [new Uint8Array(40)]);
  const countAfter = (ms: number): number[] => {
    const { peers, packets } = readHandover(state, 50, ms)!;
    return [[...peers].length, [...packets].length];
  };
  expect([countAfter(4_000), countAfter(4_001)]).toEqual([
    [1, 1],
    [1, 0],
  ]);
});

test('a state of another layout, and one that is too short, have no peers', () => {
  const state = writeHandover(tableOf({ last: 1, receivedAt: NOW, sentAt: NOW }), NOW);
  state[3] ^= 1;
  expect(readHandover(state, 0, 0)).toBeUndefined();
  expect(readHandover(new Uint8Array(3), 0, 0)).toBeUndefined();
});

test('any octets can be read', () => {
  const end = new Uint8Array(RECORD).fill(2);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (rest, behind) => {
      const records = rest.subarray(0, rest.length - (rest.length % RECORD));
      for (const state of [
        Uint8Array.of(0, 0, 0, 3, ...rest),
        Uint8Array.of(0, 0, 0, 3, ...records, ...end, ...behind),
      ]) {
        const { peers, packets } = readHandover(state, 7, 0) ?? { peers: [], packets: [] };
        for (const { lastReceived, lastSent } of peers)
          expect(Math.max(lastReceived, lastSent)).toBeLessThanOrEqual(7);
        for (const packet of packets) expect(packet.length).toBeLessThan(state.length);
      }
    }),
  );
});

test('peers that come and leave again and again between two parts make the next part no longer than the table', () => {
  const table = tableOf(...Array.from({ length: 8 }, (_, last) => ({ last, receivedAt: NOW, sentAt: NOW })));
  const records = new PeerRecords(table, NOW);
  records.part();
  for (let i = 0; i < 10_000; i++) {
    table.remove(table.find(addressOf(i % 8), 0));
    table.trust(table.insert(addressOf(i % 8), 0), NOW);
  }
  expect(records.part().length).toBeLessThanOrEqual(2 * table.slots * RECORD);
});

/** Trusted peers with the numbers from 0 on; there is room for more. */
function tableWith(count: number): PeerTable {
  const { table } = new ChangingTable();
  for (let number = 0; number < count; number++) trustAt(table, number);
  return table;
}

function trustAt(table: PeerTable, number: number): number {
  const peer = table.insert(addressAt(number), 0);
  table.trust(peer, NOW);
  return peer;
}

/** The last record of a peer. */
function lastRecord(parts: readonly Uint8Array[], number: number): KnownPeer | undefined {
  const all = [...readPeers(new Uint8Array(Buffer.concat(parts)), 0, NOW)];
  return all.findLast(({ address }) => toHex(address) === toHex(addressAt(number)));
}

function walk(records: PeerRecords): Uint8Array[] {
  const parts: Uint8Array[] = [];
  while (!records.isWalked) parts.push(records.part());
  return parts;
}

test('a peer that changes again and again before its turn has come is in one part, once', () => {
  const table = tableWith(SLOTS_A_PART + 1);
  const records = new PeerRecords(table, NOW);
  records.part();
  const last = table.find(addressAt(SLOTS_A_PART), 0);
  for (let i = 0; i < 5_000; i++) {
    table.distrust(last);
    table.trust(last, NOW);
  }
  expect(records.part().length).toBe(RECORD);
});

test('of a peer that changes in several turns the last place is left', () => {
  const table = tableWith(1);
  const records = new PeerRecords(table, NOW);
  const parts = walk(records);
  for (const port of [5, 6]) {
    table.mappedPort[0] = port;
    table.trust(0, NOW);
    parts.push(records.part());
  }
  expect(lastRecord(parts, 0)?.mappedPort).toBe(6);
});

test('a peer that came while the table grew, and leaves, is not left', () => {
  const table = tableWith(10);
  const records = new PeerRecords(table, NOW);
  const parts = walk(records);
  for (let number = 10; number < 3_000; number++) trustAt(table, number);
  parts.push(...walk(records));
  table.remove(table.find(addressAt(2_500), 0));
  parts.push(...records.end());
  expect([2_499, 2_500].map((number) => lastRecord(parts, number)?.hasLeft)).toEqual([false, true]);
});

test('a peer that has lost its marks since its part was made is not left', () => {
  const table = tableWith(2);
  let marks: number | undefined = 7;
  const records = new PeerRecords(table, NOW, () => marks);
  const parts = walk(records);
  marks = undefined;
  table.trust(0, NOW);
  parts.push(...records.end());
  expect([0, 1].map((number) => lastRecord(parts, number)?.hasLeft)).toEqual([true, false]);
});

test('packets that wait are in the last state only: a process that is killed leaves none', () => {
  const packets = [new Uint8Array(40)];
  const stateOf = (isLast: boolean): Uint8Array =>
    wholeState(
      relayState(tableOf(), NOW, () => packets),
      isLast,
    );
  const read = [true, false].map((isLast) => [...readHandover(stateOf(isLast), NOW, 0)!.packets].length);
  expect(read).toEqual([1, 0]);
});

test('the longest packet is left, too', () => {
  const packet = new Uint8Array(0xffff).fill(9);
  const [read] = [...readHandover(writeHandover(tableOf(), NOW, [packet]), NOW, 0)!.packets];
  expect(Buffer.compare(read!, packet)).toBe(0);
});

/** A change between two parts of a state, of the peer with this number. */
type Change = readonly [deed: 'come' | 'move' | 'leave' | 'doubt' | 'hear', number: number];

const changes = fc.array(
  fc.tuple(fc.constantFrom('come', 'move', 'leave', 'doubt', 'hear'), fc.nat(5_999)) as fc.Arbitrary<Change>,
  { maxLength: 400 },
);

/** A relay's table that changes while its state is written; with the time of the last change. */
class ChangingTable {
  readonly table = new PeerTable(
    { trusted: 6_000, unverified: 6_000 },
    new SeededEntropy(1),
    () => {},
    false,
  );
  now = NOW;

  change([deed, number]: Change): void {
    const { table } = this;
    this.now += 10;
    const found = table.find(addressAt(number), 0);
    if (deed === 'come' || (deed === 'move' && found !== NO_PEER)) {
      const peer = found === NO_PEER ? table.insert(addressAt(number), 0) : found;
      table.mappedAddress[peer] = 0xc000_0201;
      table.mappedPort[peer] = 1 + ((number + this.now) % 60_000);
      table.trust(peer, this.now);
      table.lastReceived.set(peer, this.now); // after it has become trusted, as a relay does
    } else if (found === NO_PEER) return;
    else if (deed === 'leave') table.remove(found);
    else if (deed === 'doubt') table.distrust(found);
    else table.lastReceived.set(found, this.now);
  }

  /** The trusted peers, and from where they were heard. */
  get places(): Map<string, number> {
    const { table } = this;
    const trusted = [...table].filter((peer) => table.status[peer] === TRUSTED);
    return new Map(trusted.map((peer) => [toHex(table.address(peer)), table.mappedPort[peer]!]));
  }
}

function addressAt(number: number): Uint8Array {
  return Uint8Array.of(0x20, 1, 0, 0, 198, 51, 100, 1, 0, 0, 1, 2, 3, 4, number >> 8, number);
}

function adopted(state: Uint8Array, now: number): Map<string, number> {
  const { machine } = new RelayRig();
  machine.adopt(readHandover(state, now, 0)!.peers, now);
  const { peers } = machine;
  return new Map([...peers].map((peer) => [toHex(peers.address(peer)), peers.mappedPort[peer]!]));
}

test('peers that come, move and leave while the state is written: the successor has those of its end, each once', () => {
  fc.assert(
    fc.property(fc.nat(4_000), fc.array(changes, { minLength: 1, maxLength: 8 }), (known, between) => {
      const changing = new ChangingTable();
      for (let number = 0; number < known; number++) changing.change(['come', number]);
      const parts = relayState(changing.table, changing.now, () => []);
      const begun = changing.now;
      const left = [...between];
      const all = wholeState({
        ...parts,
        next: () => {
          const part = parts.next();
          for (const one of left.shift() ?? []) changing.change(one);
          return part;
        },
      });
      expect(adopted(all, begun)).toEqual(changing.places);
      for (const { lastReceived } of readHandover(all, begun, 0)!.peers)
        expect(lastReceived).toBeLessThanOrEqual(begun);
    }),
    { numRuns: 40 },
  );
});

test('each part is of some peers, and of those that have changed', () => {
  const changing = new ChangingTable();
  for (let number = 0; number < 5_000; number++) changing.change(['come', number]);
  const parts = relayState(changing.table, changing.now, () => []);
  const sizes: number[] = [];
  for (let part = parts.next(); part !== undefined; part = parts.next()) {
    sizes.push(part.length / RECORD);
    changing.change(['move', 0]);
    changing.change(['leave', 1]);
    changing.change(['come', 1]);
  }
  expect(sizes.length).toBeGreaterThan(4);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(SLOTS_A_PART + 3);
  parts.cancel();
  expect(changing.table.onTrust).toBeUndefined();
});
