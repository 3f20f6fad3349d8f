import { expect, test } from 'vitest';
import { PEER, PEER_SERVER, at, bubble, teredo, v6 } from '../../../test/support/client-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { buildEchoReply, formatIpv6 } from '../../wire/index.ts';
import { RELAY_LIMITS } from './limits.ts';

const NATIVE = v6('2001:db8::1');
const PEER_TEXT = formatIpv6(PEER);
const PAIR = '192.0.2.10:8192';

function acquainted(): RelayRig {
  const rig = new RelayRig({ offload: true }).acquaint(NATIVE, PEER);
  return rig.fromClient(PEER, NATIVE).clear();
}

test('without a kernel path nothing is said about it', () => {
  const rig = new RelayRig();
  rig.toClient(NATIVE, PEER).answer(rig.bubbles[0]!).fromClient(PEER, NATIVE);
  rig.advance(2_000).fromClient(PEER, NATIVE).toClient(NATIVE, PEER).advance(400_000);
  expect(rig.offloads).toEqual([]);
});

test('a client is offered when it has shown that it is there', () => {
  const rig = new RelayRig({ offload: true });
  rig.toClient(NATIVE, PEER).toClient(NATIVE, PEER).fromClient(PEER, NATIVE);
  expect(rig.offloads).toEqual([]);
  rig.answer(rig.bubbles[0]!);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard ${rig.now}`]);
});

test('a client whose own test is answered is offered at once', () => {
  const rig = new RelayRig({ offload: true });
  const reply = { source: NATIVE, destination: PEER, hopLimit: 64, identifier: 1, sequence: 1 };
  rig.offer(buildEchoReply({ ...reply, data: new Uint8Array(8) })).answer(rig.bubbles[0]!);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard ${rig.now}`]);
});

test('a client that one packet is for is offered with the next of either side', () => {
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

test('R-6: a client whose cone flag is believed is offered with the first packet', () => {
  const cone = teredo(PEER_SERVER, at(PAIR), 0x8000);
  const rig = new RelayRig({ offload: true, trustCone: true }).toClient(NATIVE, cone);
  expect(rig.offloads).toEqual([`offload ${formatIpv6(cone)} ${PAIR} heard ${rig.now}`]);
});

test('what is heard says so once a second, data and bubbles alike', () => {
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

test('when all is forgotten the next packet offers, whichever way it goes', () => {
  const outward = acquainted();
  outward.machine.handleOffloadReset(outward.now);
  outward.toClient(NATIVE, PEER).toClient(NATIVE, PEER);
  expect(outward.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);

  const inward = acquainted();
  inward.machine.handleOffloadReset(inward.now);
  inward.fromClient(PEER, NATIVE).fromClient(PEER, NATIVE);
  expect(inward.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);
});

test('what was carried is not heard by the socket: offered anew, a client was heard when the machine itself has received something', () => {
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

test('R-26: a client that was not heard for 30 s is offered anew when it is', () => {
  const rig = acquainted();
  rig.advance(31_000).toClient(NATIVE, PEER);
  expect(rig.offloads).toEqual([]);
  rig.advance(100).answer(rig.bubbles.at(-1)!);
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 41100`]);
});

test('who makes room for another is unloaded before that one is offered', () => {
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

test('who has long been silent is unloaded when forgotten', () => {
  const rig = acquainted().advance(320_000);
  expect(rig.isKnown(PEER)).toBe(false);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
});

test('R-26: what was carried keeps a client valid for 30 s', () => {
  const rig = acquainted();
  rig.advance(29_000).carried(PEER, rig.now - 400);
  rig.advance(29_500).toClient(NATIVE, PEER);
  expect(rig.data).toHaveLength(1);
  rig.advance(200).toClient(NATIVE, PEER);
  expect(rig.data).toHaveLength(1);
});

test('R-25: a carried packet answers the contact that had begun for want of news', () => {
  const rig = acquainted();
  rig.advance(31_000).toClient(NATIVE, PEER);
  expect(rig.data).toEqual([]);
  rig.advance(300).carried(PEER, rig.now - 400);
  expect(rig.data).toHaveLength(1);
  expect(rig.machine.pollTimeout()).toBeGreaterThan(rig.now + 2_000);
});

test('R-26: news that comes 30 s late opens no way', () => {
  const rig = acquainted();
  rig
    .advance(35_000)
    .toClient(NATIVE, PEER)
    .carried(PEER, rig.now - 30_000);
  expect(rig.data).toEqual([]);
});

test('what was carried out and not answered makes the relay ask', () => {
  const rig = acquainted();
  rig.advance(6_000).carried(PEER, -Infinity, rig.now - 600);
  rig.toClient(NATIVE, PEER);
  expect(rig.kinds).toEqual([`data ${PAIR}`, 'bubble 198.51.100.118:3544']);
});

test('a client that is carried is not forgotten', () => {
  const rig = acquainted();
  for (let i = 0; i < 40; i++) rig.advance(10_000).carried(PEER, rig.now - 100, rig.now - 50);
  expect(rig.isTrusted(PEER)).toBe(true);
  expect(rig.offloads).toEqual([]);
});

test('who is not trusted is not to be carried', () => {
  const rig = new RelayRig({ offload: true });
  rig.carried(PEER, rig.now).toClient(NATIVE, PEER).carried(PEER, rig.now);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`, `unload ${PEER_TEXT}`]);
  expect(rig.isTrusted(PEER)).toBe(false);
});
