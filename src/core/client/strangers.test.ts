/** What this host answers to strangers, who may be forged, is sent within the limits of strangers. CL-124 */
import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PRIMARY,
  RELAY,
  at,
  data,
  echoReply,
  echoRequest,
  teredo,
  v6,
  withOrigin,
} from '../../../test/support/client-rig.ts';
import type { Ipv6 } from '../../wire/index.ts';

const VICTIM = at('198.51.100.66:3544');
const ATTACKER = at('198.51.100.1:4000');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();
const native = (i: number): Ipv6 => v6(`2001:db8:66::${(i + 1).toString(16)}`);

describe('native strangers', () => {
  test('a host that answers all of 1,000 in 10 s sends no more tests than the limit lets through', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      rig
        .receive(RELAY, echoRequest(native(i), rig.address))
        .send(rig.data(native(i)))
        .advanceServed(10);
    }
    rig.advanceServed(10_000);
    expect(rig.delivered.length).toBeGreaterThanOrEqual(1_000);
    expect(rig.all('test').length).toBeLessThanOrEqual(50 + 10 * 21);
    expect(rig.machine.counters.droppedStrangerLimit).toBeGreaterThan(500);
  });

  test('contacts of its own begin beside that, and are not pushed out', () => {
    const rig = qualified({ limits: { unverifiedPeers: 100 } });
    rig.send(rig.data(NATIVE));
    const own = rig.find('test', PRIMARY);
    for (let i = 0; i < 2_000; i++) {
      rig.receive(RELAY, echoRequest(native(i), rig.address)).send(rig.data(native(i)));
    }
    rig.clear().send(rig.data(v6('2001:db8:7::1')));
    expect(rig.all('test')).toHaveLength(1);
    expect(rig.receive(RELAY, echoReply(own)).all('data', RELAY)).toHaveLength(1);
  });

  test('one that is asked first is none, though it answers before its test does', () => {
    const rig = qualified({ limits: { unsolicitedTests: { perSecond: 0, burst: 0 } } });
    rig.send(rig.data(NATIVE)).receive(RELAY, data(NATIVE, rig.address)).advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test('one that speaks first is answered when it has passed its test', () => {
    const rig = qualified();
    rig.receive(RELAY, echoRequest(NATIVE, rig.address)).send(rig.data(NATIVE));
    expect(rig.receive(RELAY, echoReply(rig.find('test', PRIMARY))).all('data', RELAY)).toHaveLength(1);
  });
});

describe('Teredo peers', () => {
  test('that name a victim as their server, by way of ours: the victim gets what strangers may cause', () => {
    const rig = qualified();
    for (let flags = 0; flags < 1_000; flags++) {
      const peer = teredo(VICTIM, ATTACKER, flags & 0x3cff);
      rig.receive(PRIMARY, withOrigin(ATTACKER, echoRequest(peer, rig.address))).send(rig.data(peer));
    }
    rig.advanceServed(10_000);
    expect(rig.all('bubble', VICTIM).length).toBeLessThanOrEqual(50 + 10 * 11);
  });

  test('sought by this host: each server and each address has a limit of its own', () => {
    const rig = qualified();
    for (let i = 0; i < 2_000; i++) rig.send(rig.data(teredo(VICTIM, at(`198.51.100.1:${4_000 + i}`))));
    expect(rig.all('bubble', VICTIM)).toHaveLength(500);
    expect(rig.all('bubble')).toHaveLength(700);
    expect(rig.machine.counters.suppressedBubbles).toBe(3_300);
    rig.clear().send(rig.data(PEER));
    expect(rig.all('bubble')).toHaveLength(2);
  });

  test('that answer earn their address what they took, not the server they name', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      const place = at(`198.51.100.1:${4_000 + i}`);
      rig.send(rig.data(teredo(VICTIM, place))).receive(place, data(teredo(VICTIM, place), rig.address));
    }
    expect(rig.all('bubble', VICTIM)).toHaveLength(500);
    expect(rig.all('data')).toHaveLength(1_000);
  });

  test('their word is not taken from an address that nothing is sent to', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE)).receive(at('192.168.9.9:3545'), echoReply(rig.find('test', PRIMARY)));
    expect(rig.all('data')).toEqual([]);
    rig.clear().receive(PEER_MAPPED, data(v6('fd00::1'), rig.address));
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedInvalidSource).toBe(1);
  });
});
