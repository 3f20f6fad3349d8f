/** What this host answers to strangers, who may be forged, is sent within the limits of strangers. CL-124 */
import { describe, expect, test } from 'vitest';
import { reached } from '../../../test/support/limit-hits.ts';
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
import { buildEchoReply, equalBytes, formatIpv4 } from '../../wire/index.ts';
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
        .receive(RELAY, data(native(i), rig.address))
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
      rig.receive(RELAY, data(native(i), rig.address)).send(rig.data(native(i)));
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

describe('a greedy stranger', () => {
  /** 20 packets a second from ever new addresses, which this host answers; `from` names them. Returns how many of 20 new honest hosts are reached. */
  const reached = (from: (i: number) => Ipv6, honest: (i: number) => Ipv6): number => {
    const rig = qualified();
    let answered = 0;
    for (let i = 0; i < 1_200; i++) {
      const greedy = from(i);
      rig.receive(RELAY, echoRequest(greedy, rig.address)).send(pong(rig.address, greedy)).advanceServed(50);
      if (i < 400 || i % 40 !== 0) continue;
      const host = honest(i);
      rig.clear().receive(HONEST_RELAY, echoRequest(host, rig.address)).send(pong(rig.address, host));
      const test = rig.all('test').find(({ destination }) => equalBytes(destination, 0, host, 0, 16));
      if (test === undefined) continue;
      if (rig.receive(HONEST_RELAY, echoReply(test)).all('data', HONEST_RELAY).length > 0) answered++;
    }
    return answered;
  };
  const elsewhere = (i: number): Ipv6 => v6(`2001:db8:2::${i.toString(16)}`);

  test('of one /64 leaves the others what they need: 20 of 20 new honest hosts are answered', () => {
    expect(reached(native, elsewhere)).toBe(20);
  });

  test('of one /48, from ever new /64s, too', () => {
    expect(reached((i) => v6(`2001:db8:66:${i.toString(16)}::1`), elsewhere)).toBe(20);
  });

  test('in a /64 of the same /48 as the honest hosts, too', () => {
    expect(reached(native, (i) => v6(`2001:db8:66:7::${i.toString(16)}`))).toBe(20);
  });

  test('of five /48s leaves the reserve to the modest', () => {
    const many = (i: number): Ipv6 => v6(`2001:db8:${(0x66 + (i % 5)).toString(16)}:${i.toString(16)}::1`);
    expect(reached(many, elsewhere)).toBeGreaterThanOrEqual(16);
  });

  test('of ever new /48s causes no more than the limit and the reserve', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++)
      rig.receive(RELAY, data(v6(`2001:${(0xdb8 + i).toString(16)}::1`), rig.address));
    expect(rig.all('test')).toHaveLength(50 + 25);
  });
});

describe('what this host begins', () => {
  const none = { limits: { unsolicitedTests: { perSecond: 0, burst: 0 } } };

  test.each([
    ['a TCP connection', (rig: ClientRig) => tcp(rig.address, NATIVE, SYN)],
    ['a ping', (rig: ClientRig) => echoRequest(rig.address, NATIVE)],
    ['a UDP flow of other ports', (rig: ClientRig) => udp(rig.address, NATIVE, 5_000, 53)],
  ])('%s: packets in the name of its address take nothing from it', (_, packet) => {
    const rig = qualified(none);
    rig.receive(RELAY, echoRequest(NATIVE, rig.address)).receive(RELAY, tcp(NATIVE, rig.address, SYN));
    rig.receive(RELAY, udp(NATIVE, rig.address, 53, 4_000));
    rig.send(packet(rig)).advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test.each([
    ['a SYN-ACK', (rig: ClientRig) => tcp(rig.address, NATIVE, SYN | ACK)],
    ['an echo reply', (rig: ClientRig) => pong(rig.address, NATIVE)],
    ['a UDP answer', (rig: ClientRig) => udp(rig.address, NATIVE, 4_000, 53)],
  ])('%s is none: it answers a stranger', (_, packet) => {
    const rig = qualified(none);
    rig.receive(RELAY, echoRequest(NATIVE, rig.address)).receive(RELAY, tcp(NATIVE, rig.address, SYN));
    rig.receive(RELAY, udp(NATIVE, rig.address, 53, 4_000));
    rig.send(packet(rig)).advanceServed(7_000);
    expect(rig.all('test')).toEqual([]);
    expect(rig.machine.counters.droppedStrangerLimit).toBe(1);
  });
});

const SYN = 0x02;
const ACK = 0x10;
const HONEST_RELAY = at('198.51.100.9:3545');

function pong(source: Ipv6, destination: Ipv6): Uint8Array {
  return buildEchoReply({
    source,
    destination,
    hopLimit: 64,
    identifier: 1,
    sequence: 1,
    data: new Uint8Array(8),
  });
}

function udp(source: Ipv6, destination: Ipv6, from: number, to: number): Uint8Array {
  const packet = data(source, destination);
  packet.set([from >>> 8, from & 0xff, to >>> 8, to & 0xff], 40);
  return packet;
}

/** Both ports are 443, so that either direction belongs to the same flow. */
function tcp(source: Ipv6, destination: Ipv6, flags: number): Uint8Array {
  const packet = udp(source, destination, 443, 443);
  packet[6] = 6;
  packet[53] = flags;
  return packet;
}

describe('Teredo peers', () => {
  test('that name a victim as their server, by way of ours: the victim gets what strangers may cause', () => {
    const rig = qualified();
    for (let flags = 0; flags < 1_000; flags++) {
      const peer = teredo(VICTIM, ATTACKER, flags & 0x3cff);
      rig
        .receive(PRIMARY, withOrigin(ATTACKER, echoRequest(peer, rig.address)))
        .send(pong(rig.address, peer));
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
    expect(reached(rig.machine, 'direct-bubbles')).toEqual([1_800, '198.51.100.1']);
    expect(reached(rig.machine, 'indirect-bubbles')).toEqual([1_500, formatIpv4(VICTIM.address)]);
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
