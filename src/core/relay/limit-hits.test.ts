import { expect, test } from 'vitest';
import { at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { reached } from '../../../test/support/limit-hits.ts';
import { RelayRig } from '../../../test/support/relay-rig.ts';
import { formatIpv4, toHex } from '../../wire/index.ts';
import { RELAY_LIMITS } from './limits.ts';

const SERVER_ADDRESS = '203.0.113.7';
const SERVER = at(`${SERVER_ADDRESS}:3544`);
const NATIVE = v6('2001:db8:5::1');
const CLIENT = teredo(SERVER, at('192.0.2.77:4096'));
const SITE = toHex(NATIVE.subarray(0, 8));
const client = (i: number): Uint8Array => teredo(SERVER, at(`198.51.100.7:${2_000 + i}`));
/** No /64 reaches its limit. */
const bySource = { ...RELAY_LIMITS.bySource, shared: { perSecond: 10_000, burst: 10_000 } };

test('by-server: the server of the refused bubbles', () => {
  const rig = new RelayRig({ limits: { ...RELAY_LIMITS, bySource } });
  for (let i = 0; i < 5_000; i++) rig.toClient(NATIVE, client(i));
  expect(reached(rig.machine, 'by-server')).toEqual([
    rig.machine.counters.droppedServerLimit,
    SERVER_ADDRESS,
  ]);
});

test('by-client: the destination of the refused direct bubbles', () => {
  const rig = new RelayRig({ limits: { ...RELAY_LIMITS, bySource }, directBubbles: true });
  for (let i = 0; i < 200; i++) rig.toClient(NATIVE, client(i));
  const direct = rig.bubbles.filter(({ address }) => formatIpv4(address) === '198.51.100.7').length;
  expect(direct).toBeGreaterThan(20);
  expect(reached(rig.machine, 'by-client')).toEqual([200 - direct, '198.51.100.7']);
});

test('errors and bubbles-to-peer: the sender of packets to a mute client, and that client', () => {
  const rig = new RelayRig();
  rig.toClient(NATIVE, CLIENT).advance(60_000);
  const before = rig.machine.counters.errorsSent;
  for (let i = 0; i < 100; i++) rig.toClient(NATIVE, CLIENT);
  expect(reached(rig.machine, 'bubbles-to-peer')).toEqual([100, '192.0.2.77']);
  const sent = rig.machine.counters.errorsSent - before;
  expect(reached(rig.machine, 'errors')).toEqual([100 - sent, SITE]);
  expect(rig.machine.counters.suppressedErrors).toBe(100 - sent);
});

test('peers.unverified and waiting: the network that causes them', () => {
  const rig = new RelayRig({
    limits: {
      ...RELAY_LIMITS,
      peers: { trusted: 10, unverified: 10 },
      waiting: { ...RELAY_LIMITS.waiting, packets: 5 },
    },
  });
  for (let i = 0; i < 300; i++) rig.toClient(NATIVE, client(i));
  expect(reached(rig.machine, 'peers.unverified')).toEqual([rig.machine.counters.contactsBegun - 10, SITE]);
  expect(reached(rig.machine, 'waiting')[1]).toBe(SITE);
});

test('peers.trusted: the client for which there is no room', () => {
  const rig = new RelayRig({ limits: { ...RELAY_LIMITS, peers: { trusted: 1, unverified: 10 } } });
  rig.acquaint(NATIVE, CLIENT).acquaint(NATIVE, client(1));
  expect(reached(rig.machine, 'peers.trusted')[1]).toBe('198.51.100.7');
});
