import { expect, test } from 'vitest';
import {
  ClientRig,
  LOCAL,
  MAPPED,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PRIMARY,
  at,
  data,
  teredo,
  v4,
  v6,
} from '../../../../test/support/client-rig.ts';
import { formatIpv6 } from '../../../wire/index.ts';
import type { KnownPeer } from '../../known-peer.ts';
import type { KnownQualification } from './service.ts';

const addressOf = ({ machine }: ClientRig): string | undefined =>
  machine.address && formatIpv6(machine.address);
/** With random bits that this client would not draw. */
const LEFT = teredo(PRIMARY, MAPPED, 0x0a51);

test('the address of a predecessor stays, if the server sees the same mapping', () => {
  const rig = new ClientRig();
  expect(rig.machine.adopt(LEFT)).toBe(true);
  rig.start();
  expect([rig.machine.state, addressOf(rig)]).toEqual(['probe', formatIpv6(LEFT)]);
  rig.qualify();
  expect([rig.machine.state, addressOf(rig)]).toEqual(['qualified', formatIpv6(LEFT)]);
});

test('it goes if the mapping is another, and if no server answers', () => {
  const other = teredo(PRIMARY, at('192.0.2.99:5000'), 0x0a51);
  const moved = new ClientRig();
  moved.machine.adopt(other);
  expect(addressOf(moved.start().qualify())).not.toBe(formatIpv6(other));
  const alone = new ClientRig();
  alone.machine.adopt(LEFT);
  expect(addressOf(alone.start().advance(12_000))).toBeUndefined();
});

test('an address of another server is not adopted, and none once the client runs', () => {
  const rig = new ClientRig();
  expect(rig.machine.adopt(teredo(at('198.51.100.7:3544'), MAPPED))).toBe(false);
  expect(addressOf(rig)).toBeUndefined();
  expect(rig.start().machine.adopt(LEFT)).toBe(false);
});

/** The qualification of a predecessor on the same network. */
const QUALIFICATION: KnownQualification = {
  verified: true,
  symmetric: false,
  portStep: 0,
  roundTripMs: 10,
  localAddress: LOCAL,
};

function known(rig: ClientRig, others: Partial<KnownPeer> = {}): KnownPeer {
  const { address: mappedAddress, port: mappedPort } = PEER_MAPPED;
  const { now } = rig;
  return {
    address: PEER,
    mappedAddress,
    mappedPort,
    lastReceived: now - 1_000,
    lastSent: now - 500,
    ...others,
  };
}

/** A successor that has adopted the qualification, and this peer. */
function successor(others: Partial<KnownPeer> = {}): ClientRig {
  const rig = new ClientRig();
  rig.machine.adopt(LEFT, QUALIFICATION);
  rig.machine.adoptPeers([known(rig, others)], rig.now);
  return rig;
}

test('a successor is qualified at once, and asks the server whether the mapping is the same', () => {
  const rig = successor().start();
  expect([rig.machine.state, addressOf(rig)]).toEqual(['qualified', formatIpv6(LEFT)]);
  expect(rig.advance(1).all('solicitation', PRIMARY)).toHaveLength(1);
  rig.answer(rig.find('solicitation', PRIMARY)).advance(1);
  expect([rig.machine.state, addressOf(rig)]).toEqual(['qualified', formatIpv6(LEFT)]);
});

test('if the server sees another mapping, the address is another one; if it is silent, there is none', () => {
  const moved = successor().start().advance(1);
  moved.answer(moved.find('solicitation', PRIMARY), { origin: at('192.0.2.99:5000') }).advance(1);
  expect(moved.machine.state).toBe('qualified');
  expect(addressOf(moved)).not.toBe(formatIpv6(LEFT));
  expect(addressOf(successor().start().advance(13_000))).toBeUndefined();
});

test('on another network, or with native IPv6, the qualification is worth nothing', () => {
  const elsewhere = new ClientRig();
  elsewhere.machine.adopt(LEFT, { ...QUALIFICATION, localAddress: v4('192.168.1.3') });
  expect(elsewhere.machine.adoptPeers([known(elsewhere)], elsewhere.now)).toBe(0);
  expect(elsewhere.start().machine.state).toBe('probe');

  const moved = successor();
  moved.machine.networkChanged(moved.now, { subnets: [], localAddress: v4('192.168.1.3') });
  expect([moved.machine.state, addressOf(moved)]).toEqual(['offline', undefined]);
  expect(moved.start().machine.state).toBe('probe');

  const resting = successor();
  resting.machine.rest(resting.now);
  expect([resting.machine.state, addressOf(resting)]).toEqual(['dormant', undefined]);
});

test('packets to and from an adopted peer pass at once, and it is offered to the kernel path', () => {
  const rig = successor();
  rig.machine.setOffload(true);
  for (const _ of rig.machine.offerAll(rig.now));
  expect(rig.drain().offloads).toEqual([
    expect.stringContaining(`offload ${formatIpv6(PEER)} 192.0.2.10:8192`),
  ]);
  rig.start().send(data(LEFT, PEER)).receive(PEER_MAPPED, data(PEER, LEFT));
  expect([rig.all('data', PEER_MAPPED).length, rig.delivered.length]).toEqual([1, 1]);
});

test.each<[string, (rig: ClientRig) => Partial<KnownPeer>]>([
  ['an address that no peer has', () => ({ address: v6('fe80::1') })],
  ['the address of the client itself', () => ({ address: LEFT })],
  ['an outer address that is not global', () => ({ mappedAddress: v4('127.0.0.1') })],
  ['no port', () => ({ mappedPort: 0 })],
  ['heard in the future', ({ now }) => ({ lastReceived: now + 1 })],
  ['sent to in the future', ({ now }) => ({ lastSent: now + 1 })],
  ['never heard', () => ({ lastReceived: -Infinity })],
  ['silent for 30 s', ({ now }) => ({ lastReceived: now - 30_000 })],
])('a peer is not adopted: %s', (_, others) => {
  const rig = new ClientRig();
  rig.machine.adopt(LEFT, QUALIFICATION);
  expect(rig.machine.adoptPeers([known(rig, others(rig))], rig.now)).toBe(0);
  expect([...rig.machine.peerTable]).toEqual([]);
});

test('more peers than the limit are not adopted', () => {
  const rig = new ClientRig({ limits: { peers: { trusted: 1, unverified: 10 } } });
  rig.machine.adopt(LEFT, QUALIFICATION);
  const peers = [known(rig), known(rig, { address: NATIVE })];
  expect(rig.machine.adoptPeers(peers, rig.now)).toBe(1);
});

test('a client leaves its qualification, and the peers that it reaches by its service port', () => {
  const rig = new ClientRig().start();
  expect(rig.machine.qualification).toBeUndefined();
  rig.qualify();
  expect(rig.machine.qualification).toMatchObject({ verified: true, symmetric: false, localAddress: LOCAL });
  rig.machine.adoptPeers([known(rig)], rig.now);
  const [peer] = rig.machine.peerTable;
  expect(rig.machine.marksOf(peer!, rig.now)).toBe(0);
  rig.machine.peerTable.socket[peer!] = 7;
  expect(rig.machine.marksOf(peer!, rig.now)).toBeUndefined();
});
