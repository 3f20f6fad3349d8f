import { expect, test } from 'vitest';
import { access } from '../../../test/support/access.ts';
import { at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { NO_PEER } from '../peer-table.ts';
import type { KnownPeer } from '../known-peer.ts';
import { RELAY_LIMITS } from './limits.ts';
import type { RelayOptions } from './options.ts';

const NATIVE = v6('2001:db8::1');
const SERVER = at('198.51.100.118:3544');
const CLIENT = teredo(SERVER, at('192.0.2.10:8192'));
const OTHER = teredo(SERVER, at('192.0.2.11:8192'));
const PUBLIC = { address: 0x0808_0808, port: 8_192 };

/** A peer that was heard a second ago, with other values. */
function known(rig: RelayRig, others: Partial<KnownPeer> = {}): KnownPeer {
  const { address, port } = pairOf(CLIENT);
  const { now } = rig;
  return {
    address: CLIENT,
    mappedAddress: address,
    mappedPort: port,
    lastReceived: now - 1_000,
    lastSent: now - 500,
    ...others,
  };
}

const adopt = (rig: RelayRig, ...peers: KnownPeer[]): number => rig.machine.adopt(peers, rig.now);

test('packets to and from an adopted peer pass at once', () => {
  const rig = new RelayRig();
  expect(adopt(rig, known(rig))).toBe(1);
  rig.toClient(NATIVE, CLIENT).fromClient(CLIENT, NATIVE);
  expect([rig.bubbles.length, rig.data.length, rig.delivered.length]).toEqual([0, 1, 1]);
});

test('a peer that was not heard for 30 s has to answer a bubble first', () => {
  const rig = new RelayRig();
  adopt(rig, known(rig, { lastReceived: rig.now - 31_000 }));
  rig.toClient(NATIVE, CLIENT);
  expect([rig.bubbles.length > 0, rig.data.length]).toEqual([true, 0]);
});

test.each<[string, Partial<RelayOptions>, (rig: RelayRig) => Partial<KnownPeer>]>([
  ['not a Teredo address', {}, () => ({ address: NATIVE })],
  ['an outer address that is not global', {}, () => ({ mappedAddress: 0x7f00_0001 })],
  ['no port', {}, () => ({ mappedPort: 0 })],
  ['heard in the future', {}, (rig) => ({ lastReceived: rig.now + 1 })],
  ['sent to in the future', {}, (rig) => ({ lastSent: rig.now + 1 })],
  ['never heard', {}, () => ({ lastReceived: -Infinity })],
  ['silent for 300 s', {}, (rig) => ({ lastReceived: rig.now - 300_000 })],
  ['denied now, by its address', { access: access('-192.0.2.10') }, () => ({})],
  ['denied now, by its server', { access: access('-198.51.100.118') }, () => ({})],
  [
    'denied now, by its outer address',
    { access: access('-8.8.8.8') },
    () => ({ mappedAddress: 0x0808_0808 }),
  ],
  [
    'the relay itself',
    { own: { addresses: [PUBLIC.address], port: PUBLIC.port } },
    () => ({
      mappedAddress: PUBLIC.address,
      mappedPort: PUBLIC.port,
    }),
  ],
])('is not adopted: %s', (_, options, others) => {
  const rig = new RelayRig(options);
  expect(adopt(rig, known(rig, others(rig)))).toBe(0);
  expect([...rig.machine.peers]).toEqual([]);
});

test('no more peers are adopted than may be trusted, and none twice', () => {
  const rig = new RelayRig({ limits: { ...RELAY_LIMITS, peers: { trusted: 1, unverified: 8 } } });
  const peer = known(rig);
  const { address, port } = pairOf(OTHER);
  expect(adopt(rig, peer, peer)).toBe(1);
  expect(adopt(rig, known(rig, { address: OTHER, mappedAddress: address, mappedPort: port }))).toBe(0);
  expect(rig.machine.peers.find(OTHER, 0)).toBe(NO_PEER);
});

test('an adopted peer that stays silent is removed', () => {
  const rig = new RelayRig();
  adopt(rig, known(rig));
  expect(rig.advance(400_000).isKnown(CLIENT)).toBe(false);
});

test('valid adopted peers are offered to the kernel path without a packet', () => {
  const rig = new RelayRig();
  const { address, port } = pairOf(OTHER);
  const silent = { address: OTHER, mappedAddress: address, mappedPort: port, lastReceived: rig.now - 31_000 };
  adopt(rig, known(rig), known(rig, silent));
  expect(rig.offerAll().offloads).toEqual([
    `offload ${formatIpv6(CLIENT)} 192.0.2.10:8192 heard ${rig.now - 1_000}`,
  ]);
});

test('many are offered some at a time', () => {
  const rig = new RelayRig();
  const pairs = Array.from({ length: 600 }, (_, i) => at(`192.0.2.10:${8_192 + i}`));
  const peers = pairs.map(({ address, port }) =>
    known(rig, { address: teredo(SERVER, { address, port }), mappedAddress: address, mappedPort: port }),
  );
  expect(adopt(rig, ...peers)).toBe(600);
  expect(rig.offersBySteps().filter((count) => count > 0)).toEqual([256, 256, 88]);
});

test('a successor sends the packets that waited for a client, or for the budget of their source, in order and once', () => {
  const rig = new RelayRig();
  const clients = Array.from({ length: 300 }, (_, i) => teredo(SERVER, at(`192.0.2.1:${8_192 + i}`)));
  for (const client of clients) for (const length of [1, 2]) rig.toClient(NATIVE, client, length);
  expect(rig.bubbles.length).toBeLessThan(clients.length);

  const successor = new RelayRig();
  for (const packet of rig.machine.waitingPackets()) successor.offer(packet);
  // Answers add to the budget of the source: more bubbles follow.
  for (let i = 0; i < successor.bubbles.length; i++) successor.answer(successor.bubbles[i]!);
  const lengthsOf = (client: Ipv6): number[] =>
    successor.data.filter(({ port }) => port === pairOf(client).port).map(({ bytes }) => bytes.length - 40);
  for (const client of clients) expect(lengthsOf(client)).toEqual([1, 2]);
});

test('packets of clients that meet at the relay are not left to a successor', () => {
  const rig = new RelayRig({ meet: true }).acquaint(NATIVE, CLIENT).fromClient(CLIENT, OTHER);
  expect(rig.bubbles.length).toBeGreaterThan(0);
  expect([...rig.machine.waitingPackets()]).toEqual([]);
});

test('25,000 peers without traffic are removed in parts, each of at most 500, within a minute', () => {
  const rig = new RelayRig();
  const peers = Array.from({ length: 25_000 }, (_, i) =>
    known(rig, {
      address: teredo(SERVER, at(`8.${(i >> 8) & 0xff}.${i & 0xff}.9:4096`)),
      lastReceived: rig.now,
    }),
  );
  expect(adopt(rig, ...peers)).toBe(25_000);
  rig.advance(299_000);
  const left = (): number => rig.machine.status(rig.now).peers.trusted;
  expect(left()).toBe(25_000);
  const parts: number[] = [];
  const begun = rig.now;
  while (left() > 0) {
    const before = left();
    rig.advance(10);
    if (left() < before) parts.push(before - left());
  }
  expect(Math.max(...parts)).toBe(500);
  expect(rig.now - begun).toBeLessThan(61_000);
});
