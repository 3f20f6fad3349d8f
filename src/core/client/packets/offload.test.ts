import { expect, test } from 'vitest';
import {
  ClientRig,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  RELAY,
  at,
  bubble,
  data,
  echoReply,
  teredo,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import { trailersOf } from '../../../../test/support/nat-rig.ts';
import type { ClientOptions } from '../options.ts';
import { formatIpv6, parseIpv6 } from '../../../wire/index.ts';

const PEER_TEXT = formatIpv6(PEER);
const PAIR = '192.0.2.10:8192';

function qualified(options: Partial<ClientOptions> = {}): ClientRig {
  return new ClientRig({ offload: true, ...options }).qualify();
}

/** A client with PEER trusted and heard just now. */
function acquainted(options: Partial<ClientOptions> = {}): ClientRig {
  const rig = qualified(options);
  return rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
}

test('without a kernel path there are no offload commands', () => {
  const rig = acquainted({ offload: false });
  rig.receive(PEER_MAPPED, data(PEER, rig.address)).advance(2_000).send(rig.data(PEER));
  rig.receive(PEER_MAPPED, data(PEER, rig.address)).advance(400_000);
  expect(rig.offloads).toEqual([]);
  expect([...rig.machine.peers(rig.now)].some(({ offloaded }) => offloaded)).toBe(false);
});

test('a Teredo peer is offered when it becomes trusted, with its address and port and the time of its last packet', () => {
  const rig = qualified();
  rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard ${rig.now}`]);
  expect([...rig.machine.peers(rig.now)][0]).toMatchObject({ offloaded: true });
});

test('a native peer is offered with the address of its relay', () => {
  const rig = qualified();
  rig.send(rig.data(NATIVE));
  expect(rig.offloads).toEqual([]);
  rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
  expect(rig.offloads).toEqual([`offload ${formatIpv6(NATIVE)} 192.0.2.200:3545 heard ${rig.now}`]);
});

test('while a peer is heard the offer is repeated once a second', () => {
  const rig = acquainted();
  for (let i = 0; i < 30; i++) rig.advance(100).receive(PEER_MAPPED, data(PEER, rig.address));
  expect(rig.offloads).toEqual([
    `offload ${PEER_TEXT} ${PAIR} heard 11000`,
    `offload ${PEER_TEXT} ${PAIR} heard 12000`,
    `offload ${PEER_TEXT} ${PAIR} heard 13000`,
  ]);
});

test('after a reset the next packet in either direction offers the peer again', () => {
  const outward = acquainted();
  outward.machine.handleOffloadReset(outward.now);
  outward.advance(500).send(outward.data(PEER)).send(outward.data(PEER));
  expect(outward.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);

  const inward = acquainted();
  inward.machine.handleOffloadReset(inward.now);
  inward.advance(500).receive(PEER_MAPPED, data(PEER, inward.address));
  inward.receive(PEER_MAPPED, data(PEER, inward.address));
  expect(inward.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10500`]);
});

test('the offer names the time of the last packet that the machine itself received, not of a carried one', () => {
  const rig = acquainted();
  rig.advance(5_000).carried(PEER, rig.now, -Infinity);
  rig.machine.handleOffloadReset(rig.now);
  rig.send(rig.data(PEER));
  expect(rig.offloads).toEqual([`offload ${PEER_TEXT} ${PAIR} heard 10000`]);
});

test('after 15 resets the generation begins again, and no forgotten peer counts as offered', () => {
  const rig = acquainted();
  for (let i = 0; i < 600; i++) {
    rig.clear().machine.handleOffloadReset(rig.now);
    if (i % 255 !== 0) continue;
    expect(rig.send(rig.data(PEER)).offloads, `reset ${i}`).toHaveLength(1);
  }
});

test('a kernel path may come and go', () => {
  const rig = acquainted({ offload: false });
  rig.machine.setOffload(true);
  expect(rig.send(rig.data(PEER)).offloads).toHaveLength(1);
  rig.clear().machine.setOffload(false);
  rig.advance(1_000).send(rig.data(PEER)).receive(PEER_MAPPED, data(PEER, rig.address));
  expect(rig.offloads).toEqual([]);
  rig.machine.setOffload(true);
  expect(rig.send(rig.data(PEER)).offloads).toHaveLength(1);
});

test('CL-49: a neighbour is offered on the link when it has shown the nonce there, not before', () => {
  const neighbour = teredo(PEER_SERVER, at('192.0.2.1:9000'));
  const local = at('192.168.1.7:40000');
  const rig = qualified();
  rig.receive(local, bubble(neighbour, parseIpv6('ff02::1')!), 2);
  rig.receive(local, bubble(neighbour, rig.address)).send(rig.data(neighbour));
  expect(rig.offloads).toEqual([]);
  const { nonce } = trailersOf(rig.find('bubble', PEER_SERVER)) as { nonce: number };
  const shows = (shown: number): Uint8Array =>
    Uint8Array.of(...bubble(neighbour, rig.address), 1, 4, shown >>> 24, shown >>> 16, shown >>> 8, shown);
  rig.receive(PRIMARY, withOrigin(at('192.0.2.1:9000'), shows(7))).receive(local, shows(nonce));
  expect(rig.offloads).toEqual([`offload ${formatIpv6(neighbour)} 192.168.1.7:40000 heard ${rig.now}`]);
});

test('a peer that is removed to make room is unloaded before the new one is offered', () => {
  const rig = acquainted({ limits: { peers: { trusted: 1, unverified: 9 } } });
  const other = teredo(PEER_SERVER, at('192.0.2.11:8192'));
  rig.advanceServed(31_000).clear();
  rig.receive(at('192.0.2.11:8192'), bubble(other, rig.address));
  expect(rig.offloads).toEqual([
    `unload ${PEER_TEXT}`,
    `offload ${formatIpv6(other)} 192.0.2.11:8192 heard ${rig.now}`,
  ]);
});

test('a peer for which the trusted pool has no room is not offered', () => {
  const rig = acquainted({ limits: { peers: { trusted: 1, unverified: 9 } } });
  const other = teredo(PEER_SERVER, at('192.0.2.11:8192'));
  rig.receive(at('192.0.2.11:8192'), bubble(other, rig.address));
  expect(rig.offloads).toEqual([]);
});

test('a long silent peer is unloaded when it is removed', () => {
  const rig = acquainted();
  rig.advanceServed(320_000);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
});

test('when the address is removed all peers are unloaded', () => {
  const rig = acquainted();
  rig.machine.stop(rig.now);
  rig.drain();
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
});

test('CL-60: carried packets keep a peer valid for 30 s', () => {
  const rig = acquainted();
  rig.advanceServed(28_000).carried(PEER, rig.now - 400);
  rig.clear().advanceServed(29_000).send(rig.data(PEER));
  expect(rig.all('data', PEER_MAPPED)).toHaveLength(1);
  rig.clear().advanceServed(700).send(rig.data(PEER));
  expect(rig.all('data', PEER_MAPPED)).toHaveLength(0);
});

test('a late report never sets times back', () => {
  const rig = acquainted();
  rig.advance(5_000).receive(PEER_MAPPED, data(PEER, rig.address)).send(rig.data(PEER));
  rig.carried(PEER, rig.now - 3_000, rig.now - 2_000);
  expect([...rig.machine.peers(rig.now)][0]).toMatchObject({ lastReceivedMs: rig.now, lastSentMs: rig.now });
  rig.advance(1_000).carried(PEER, rig.now - 200, rig.now - 100);
  expect([...rig.machine.peers(rig.now)][0]).toMatchObject({
    lastReceivedMs: rig.now - 200,
    lastSentMs: rig.now - 100,
  });
});

test('a report of a carried packet ends the contact that had begun before it came', () => {
  const rig = acquainted();
  rig.advanceServed(31_000).clear().send(rig.data(PEER));
  expect(rig.all('data')).toEqual([]);
  rig.advance(300).carried(PEER, rig.now - 400);
  expect(rig.all('data', PEER_MAPPED)).toHaveLength(1);
  expect([...rig.machine.peers(rig.now)][0]).toMatchObject({ state: 'valid', bubbles: 0 });
});

test('CL-60: a report that is 30 s late does not make a peer valid', () => {
  const rig = acquainted();
  rig.advanceServed(35_000).clear().send(rig.data(PEER));
  rig.carried(PEER, rig.now - 30_000);
  expect(rig.all('data')).toEqual([]);
});

test('a peer that is not trusted is unloaded when a report names it', () => {
  const rig = qualified();
  rig.carried(PEER, rig.now);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
  rig.send(rig.data(PEER)).clear();
  rig.carried(PEER, rig.now);
  expect(rig.offloads).toEqual([`unload ${PEER_TEXT}`]);
  rig.clear().advance(0);
  expect([...rig.machine.peers(rig.now)][0]).toMatchObject({ trusted: false });
});

test('CL-85: carried traffic without answers makes the client ask the server; with answers it does not', () => {
  const answered = acquainted();
  for (let i = 0; i < 8; i++) answered.advance(500).carried(PEER, answered.now - 20, answered.now - 10);
  expect(answered.all('solicitation')).toEqual([]);

  const unanswered = acquainted();
  for (let i = 0; i < 8; i++) unanswered.advance(500).carried(PEER, -Infinity, unanswered.now - 10);
  expect(unanswered.all('solicitation')).toHaveLength(1);
  expect(unanswered.all('solicitation')[0]!.time).toBeLessThan(14_000);
});

test('CL-85: during carried traffic the mapping is checked', () => {
  const rig = acquainted();
  rig.advanceServed(70_000);
  const probes = rig.machine.counters['silenceProbes']!;
  rig.carried(PEER, -Infinity, rig.now - 100).advanceServed(20_000);
  expect(rig.machine.counters['silenceProbes']! - probes).toBeGreaterThanOrEqual(2);
});

test('CL-85: after carried traffic the server is asked 3 s after the last packet from it or to a peer', () => {
  const rig = acquainted();
  const other = teredo(PRIMARY, at('192.0.2.12:8192'));
  rig.advance(2_000).receive(PRIMARY, withOrigin(at('192.0.2.12:8192'), bubble(other, rig.address)));
  rig.carried(PEER, rig.now - 200, rig.now - 100);
  expect(rig.machine.pollTimeout()).toBe(rig.now + 3_000);
  rig.carried(PEER, rig.now + 100).advance(4_000);
  expect(rig.all('solicitation')).toHaveLength(1);
});
