import { expect, test } from 'vitest';
import { PEER, PEER_SERVER, at, bubble, teredo, v6 } from '../../../test/support/client-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { SLOTS, fillAndEmpty, sparseClient } from '../../../test/support/sparse-table.ts';
import { buildEchoReply, formatIpv6 } from '../../wire/index.ts';
import { RELAY_LIMITS } from './limits.ts';

const NATIVE = v6('2001:db8::1');
const PEER_TEXT = formatIpv6(PEER);
const PAIR = '192.0.2.10:8192';

function acquainted(): RelayRig {
  const rig = new RelayRig({ offload: true }).acquaint(NATIVE, PEER);
  return rig.fromClient(PEER, NATIVE).clear();
}

test('without a kernel path there are no offload commands', () => {
  const rig = new RelayRig();
  rig.toClient(NATIVE, PEER).answer(rig.bubbles[0]!).fromClient(PEER, NATIVE);
  rig.advance(2_000).fromClient(PEER, NATIVE).toClient(NATIVE, PEER).advance(400_000);
  expect(rig.offloads).toEqual([]);
});

test('a client is offered when it has proven itself', () => {
  const rig = new RelayRig({ offload: true });
  rig.toClient(NATIVE, PEER).toClient(NATIVE, PEER).fromClient(PEER, NATIVE);
  expect(rig.offloads).toEqual([]);
  rig.answer(rig.bubbles[0]!);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard ${rig.now}`]);
});

test('a client whose connectivity test is answered is offered at once', () => {
  const rig = new RelayRig({ offload: true });
  const reply = { source: NATIVE, destination: PEER, hopLimit: 64, identifier: 1, sequence: 1 };
  rig.offer(buildEchoReply({ ...reply, data: new Uint8Array(8) })).answer(rig.bubbles[0]!);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard ${rig.now}`]);
});

test('a client with only one packet is offered with the next packet in either direction', () => {
  for (const direction of ['toClient', 'fromClient'] as const) {
    const rig = new RelayRig({ offload: true });
    rig.toClient(NATIVE, PEER).fromClient(PEER, NATIVE).answer(rig.bubbles[0]!);
    expect(rig.offloads).toEqual([]);
    if (direction === 'toClient') rig.toClient(NATIVE, PEER);
    else rig.fromClient(PEER, NATIVE);
    expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard ${rig.now}`]);
    expect(rig.machine.isOffloaded(rig.machine.peers.find(PEER, 0))).toBe(true);
  }
});

test('R-6: with trustCone, a client with the cone flag is offered with the first packet', () => {
  const cone = teredo(PEER_SERVER, at(PAIR), 0x8000);
  const rig = new RelayRig({ offload: true, trustCone: true }).toClient(NATIVE, cone);
  expect(rig.offloads).toEqual([`offload ${formatIpv6(cone)} ${PAIR} heard ${rig.now}`]);
});

test('while a client is heard the offer is repeated once a second, for data and bubbles', () => {
  const rig = acquainted();
  for (let i = 0; i < 20; i++) {
    rig.advance(100);
    if (i < 12) rig.fromClient(PEER, NATIVE);
    else rig.receive(pairOf(PEER), bubble(PEER, NATIVE));
  }
  expect(rig.offloads).toEqual([
    `offload ${PEER_TEXT} ${PAIR} heard 11000`,
    `offload ${PEER_TEXT} ${PAIR} heard 12000`,
  ]);
});

test('after a reset the next packet in either direction offers the client again', () => {
  const outward = acquainted();
  outward.machine.handleOffloadReset(outward.now);
  outward.toClient(NATIVE, PEER).toClient(NATIVE, PEER);
  expect(outward.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);

  const inward = acquainted();
  inward.machine.handleOffloadReset(inward.now);
  inward.fromClient(PEER, NATIVE).fromClient(PEER, NATIVE);
  expect(inward.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);
});

test('the offer names the time of the last packet that the machine itself received, not of a carried one', () => {
  const rig = acquainted();
  rig.advance(5_000).carried(PEER, rig.now, -Infinity);
  rig.machine.handleOffloadReset(rig.now);
  rig.toClient(NATIVE, PEER);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);
});

test('R-8: a client that has lost trust is unloaded', () => {
  const rig = acquainted();
  rig.advance(31_000).toClient(NATIVE, PEER).clear().advance(9_000);
  expect(rig.isTrusted(PEER)).toBe(false);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
});

test('R-26: a client that was silent for 30 s is offered again when it is heard', () => {
  const rig = acquainted();
  rig.advance(31_000).toClient(NATIVE, PEER);
  expect(rig.offloads).toEqual([]);
  rig.advance(100).answer(rig.bubbles.at(-1)!);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 41100`]);
});

test('a client that is removed to make room is unloaded before the new one is offered', () => {
  const rig = new RelayRig({
    offload: true,
    limits: { ...RELAY_LIMITS, peers: { trusted: 1, unverified: 8 } },
  }).acquaint(NATIVE, PEER);
  rig.fromClient(PEER, NATIVE).clear();
  const other = teredo(PEER_SERVER, at('192.0.2.11:8192'));
  rig.advance(31_000).toClient(NATIVE, other).answer(rig.bubbles.at(-1)!).fromClient(other, NATIVE);
  expect(rig.offloads).toEqual([
    `unload ${PEER_TEXT}`,
    `offload ${formatIpv6(other)} 192.0.2.11:8192 heard ${rig.now}`,
  ]);
});

test('a long silent client is unloaded when it is removed', () => {
  const rig = acquainted().advance(320_000);
  expect(rig.isKnown(PEER)).toBe(false);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
});

test('R-26: carried packets keep a client valid for 30 s', () => {
  const rig = acquainted();
  rig.advance(29_000).carried(PEER, rig.now - 400);
  rig.advance(29_500).toClient(NATIVE, PEER);
  expect(rig.data).toHaveLength(1);
  rig.advance(200).toClient(NATIVE, PEER);
  expect(rig.data).toHaveLength(1);
});

test('R-25: a report of a carried packet ends the contact that had begun before it came', () => {
  const rig = acquainted();
  rig.advance(31_000).toClient(NATIVE, PEER);
  expect(rig.data).toEqual([]);
  rig.advance(300).carried(PEER, rig.now - 400);
  expect(rig.data).toHaveLength(1);
  expect(rig.machine.pollTimeout()).toBeGreaterThan(rig.now + 2_000);
});

test('R-26: a report that is 30 s late does not make a client valid', () => {
  const rig = acquainted();
  rig
    .advance(35_000)
    .toClient(NATIVE, PEER)
    .carried(PEER, rig.now - 30_000);
  expect(rig.data).toEqual([]);
});

test('carried packets without an answer make the relay send a bubble', () => {
  const rig = acquainted();
  rig.advance(6_000).carried(PEER, -Infinity, rig.now - 600);
  rig.toClient(NATIVE, PEER);
  expect(rig.kinds).toEqual([`data ${PAIR}`, 'bubble 198.51.100.118:3544']);
});

test('a client with carried traffic is not removed', () => {
  const rig = acquainted();
  for (let i = 0; i < 40; i++) rig.advance(10_000).carried(PEER, rig.now - 100, rig.now - 50);
  expect(rig.isTrusted(PEER)).toBe(true);
  expect(rig.offloads).toEqual([]);
});

test('a client that is not trusted is unloaded when a report names it', () => {
  const rig = new RelayRig({ offload: true });
  rig.carried(PEER, rig.now).toClient(NATIVE, PEER).carried(PEER, rig.now);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`, `unload ${PEER_TEXT}`]);
  expect(rig.isTrusted(PEER)).toBe(false);
});

test('a kernel path that comes later is offered the peers of a table with many free slots in short steps', () => {
  const rig = new RelayRig();
  const { machine } = rig;
  fillAndEmpty(machine.peers, [40_000]);
  const peer = machine.peers.find(sparseClient(40_000), 0);
  machine.peers.lastReceived.set(peer, rig.now);
  machine.peers.trust(peer, rig.now);
  const offers = rig.offersBySteps();
  expect(offers.length).toBeGreaterThan(2 * Math.floor(SLOTS / 4_096));
  expect(offers.filter((count) => count > 0)).toEqual([1]);
});
