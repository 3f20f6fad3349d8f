/** Answers to strangers, whose addresses may be forged, are sent within the limits of strangers. CL-124 */
import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
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
  echoRequest,
  pong,
  teredo,
  v6,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import { equalBytes, formatIpv4 } from '../../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../../wire/index.ts';
import { everyNth } from '../../../../test/support/extent.ts';

const VICTIM = at('198.51.100.66:3544');
const ATTACKER = at('198.51.100.1:4000');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();
const native = (i: number): Ipv6 => v6(`2001:db8:66::${(i + 1).toString(16)}`);

describe('native strangers', () => {
  test('a host that answers 1,000 strangers in 10 s sends no more tests than the limit allows', () => {
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

  test('its own contacts begin beside that, and are not pushed out', () => {
    const rig = qualified({ limits: { peers: { trusted: 9, unverified: 100 } } });
    rig.send(rig.data(NATIVE));
    const own = rig.find('test', PRIMARY);
    for (let i = 0; i < 2_000; i++) {
      rig.receive(RELAY, data(native(i), rig.address)).send(rig.data(native(i)));
    }
    rig.clear().send(rig.data(v6('2001:db8:7::1')));
    expect(rig.all('test')).toHaveLength(1);
    expect(rig.receive(RELAY, echoReply(own)).all('data', RELAY)).toHaveLength(1);
  });

  test('a peer to which the host sends first is not a stranger, even if its packet comes before the reply to its test', () => {
    const rig = qualified({ limits: { unsolicitedTests: { perSecond: 0, burst: 0 } } });
    rig.send(rig.data(NATIVE)).receive(RELAY, data(NATIVE, rig.address)).advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test('a stranger that sends first is answered when it has passed its test', () => {
    const rig = qualified();
    rig.receive(RELAY, echoRequest(NATIVE, rig.address)).send(rig.data(NATIVE));
    expect(rig.receive(RELAY, echoReply(rig.find('test', PRIMARY))).all('data', RELAY)).toHaveLength(1);
  });
});

describe('a stranger that sends many packets', () => {
  /**
   * Sends packets from new addresses, `rate` a second, which this host answers; `from` gives the addresses, `by` their relay. Returns how many of
   * 20 new honest hosts are reached, each with its first packet.
   */
  const reached = (
    from: (i: number) => Ipv6,
    honest: (i: number) => Ipv6,
    { rate = 20, by = (_: number): Endpoint => RELAY, honestBy = HONEST_RELAY } = {},
  ): number => {
    const rig = qualified();
    let answered = 0;
    const [begin, end] = [20 * rate, 60 * rate];
    for (let i = 0; i < end; i++) {
      const heavy = from(i);
      rig.receive(by(i), echoRequest(heavy, rig.address)).send(pong(rig.address, heavy));
      rig.advanceServed(1_000 / rate);
      if (i < begin || i % (2 * rate) !== 0) continue;
      const host = honest(i);
      rig.clear().receive(honestBy, echoRequest(host, rig.address)).send(pong(rig.address, host));
      const test = rig.all('test').find(({ destination }) => equalBytes(destination, 0, host, 0, 16));
      if (test === undefined) continue;
      if (rig.receive(honestBy, echoReply(test)).all('data', honestBy).length > 0) answered++;
    }
    return answered;
  };
  const elsewhere = (i: number): Ipv6 => v6(`2001:db8:2::${(i + 1).toString(16)}`);
  /** A host in one of this many /48s, each time in another /64. */
  const of48s =
    (count: number) =>
    (i: number): Ipv6 =>
      v6(`2001:db8:${(0x66 + (i % count)).toString(16)}:${(i & 0xffff).toString(16)}::1`);
  /** Through the relay of the honest host. */
  const sameRelay = { honestBy: RELAY };

  test('from one /64 leaves the others enough: 20 of 20 new honest hosts are answered', () => {
    expect(reached(native, elsewhere, sameRelay)).toBe(20);
    expect(reached(native, elsewhere, { ...sameRelay, rate: 100 })).toBe(20);
  });

  test('from one /48, always from a new /64, does, too', () => {
    expect(reached(of48s(1), elsewhere, sameRelay)).toBe(20);
  });

  test('from a /64 in the /48 of the honest hosts does, too', () => {
    expect(reached(native, (i) => v6(`2001:db8:66:7::${i.toString(16)}`), sameRelay)).toBe(20);
  });

  test.each(everyNth(2, [5, 10, 20]))('of %i /48s, too', (count) => {
    expect(reached(of48s(count), elsewhere, sameRelay)).toBe(20);
    expect(reached(of48s(count), elsewhere, { ...sameRelay, rate: 100 })).toBe(20);
  });

  test('from 60 /48s leaves each new network a test', () => {
    const fresh = (i: number): Ipv6 => v6(`2001:db8:${(0x8000 + i).toString(16)}::1`);
    expect(reached(of48s(60), fresh, sameRelay)).toBe(20);
    expect(reached(of48s(60), fresh, { ...sameRelay, rate: 100 })).toBe(20);
  });

  test.each([0, 1_900, 6_000])(
    'from 4 /48s, whose tests are answered after %i ms, leaves new networks of its relay enough',
    (delay) => {
      const rig = qualified();
      const heavy = of48s(4);
      const due: { readonly at: number; readonly bytes: Uint8Array }[] = [];
      const asked = new Set<string>();
      let tested = 0;
      for (let i = 0; i < 8_000; i++) {
        rig.receive(RELAY, echoRequest(heavy(i), rig.address));
        for (const test of rig.all('test')) {
          const name = test.destination.join();
          if (!asked.has(name)) due.push({ at: rig.now + delay, bytes: echoReply(test) });
          asked.add(name);
        }
        while (due.length > 0 && due[0]!.at <= rig.now) rig.receive(RELAY, due.shift()!.bytes);
        rig.advanceServed(10).clear();
        if (i < 4_000 || i % 80 !== 0) continue;
        const host = v6(`2001:db8:${(0x4000 + i).toString(16)}::1`);
        rig.receive(RELAY, echoRequest(host, rig.address));
        const test = rig.all('test').find(({ destination }) => equalBytes(destination, 0, host, 0, 16));
        if (test === undefined) continue;
        tested++;
        rig.receive(RELAY, echoReply(test)).clear();
      }
      expect(tested).toBeGreaterThanOrEqual(48);
    },
  );

  test('from a /32, always from a new /48, leaves all others enough', () => {
    const all = (i: number): Ipv6 => v6(`2001:db9:${(i & 0xffff).toString(16)}::1`);
    expect(reached(all, elsewhere, { ...sameRelay, rate: 100 })).toBe(20);
  });

  test('that forges new sources leaves hosts of other relays enough', () => {
    const any = (i: number): Ipv6 => v6(`2a00:${(i & 0xffff).toString(16)}::1`);
    expect(reached(any, elsewhere, { rate: 100 })).toBe(20);
  });

  test('that forges the addresses of the honest hosts, through another relay, takes nothing from them', () => {
    expect(reached(elsewhere, (i) => elsewhere(i + 10_000), { rate: 100 })).toBe(20);
  });

  test.each([3, 10])('that forges new sources through %i relays leaves the others enough', (count) => {
    const any = (i: number): Ipv6 => v6(`2a00:${(i & 0xffff).toString(16)}::1`);
    const by = (i: number): Endpoint => at(`198.51.101.${(i % count) + 1}:3545`);
    expect(reached(any, elsewhere, { rate: 100, by })).toBe(20);
  });

  test('from new /32s causes no more than the limit', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++)
      rig.receive(RELAY, data(v6(`2001:${(0xdb8 + i).toString(16)}::1`), rig.address));
    expect(rig.all('test').length).toBeLessThanOrEqual(40);
    for (let i = 0; i < 1_000; i++)
      rig.receive(
        at(`198.51.101.${(i % 200) + 1}:3545`),
        data(v6(`2001:${(0xdb8 + i).toString(16)}::2`), rig.address),
      );
    expect(rig.all('test').length).toBeLessThanOrEqual(50);
  });

  test('that forges Teredo clients with new IPv4 addresses, through the server: new native hosts are answered', () => {
    const rig = qualified();
    let answered = 0;
    for (let i = 0; i < 4_000; i++) {
      const mapped = { address: 0x08000000 + 977 * i, port: 4_096 };
      rig
        .receive(PRIMARY, withOrigin(mapped, bubble(teredo(PEER_SERVER, mapped), rig.address)))
        .advanceServed(10);
      if (i < 2_000 || i % 100 !== 0) continue;
      const host = elsewhere(i);
      rig.clear().receive(RELAY, echoRequest(host, rig.address)).send(pong(rig.address, host));
      if (rig.all('test').length === 1) answered++;
    }
    expect(answered).toBe(20);
  });
});

describe('flows that this host begins', () => {
  const none = { limits: { unsolicitedTests: { perSecond: 0, burst: 0 } } };

  test.each([
    ['a TCP connection', (rig: ClientRig) => tcp(rig.address, NATIVE, SYN)],
    ['a ping', (rig: ClientRig) => echoRequest(rig.address, NATIVE)],
    ['a UDP flow with other ports', (rig: ClientRig) => udp(rig.address, NATIVE, 5_000, 53)],
  ])('%s: forged packets from its destination take nothing from it', (_, packet) => {
    const rig = qualified(none);
    rig.receive(RELAY, echoRequest(NATIVE, rig.address)).receive(RELAY, tcp(NATIVE, rig.address, SYN));
    rig.receive(RELAY, udp(NATIVE, rig.address, 53, 4_000));
    rig.send(packet(rig)).advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test.each([
    ['ESP', 50, 50],
    ['a UDP answer', 17, 17],
    ['GRE', 47, 17],
  ])('%s: later forged packets from its destination take nothing from it', (_, own, claimed) => {
    const rig = qualified(none);
    const packet = (source: Ipv6, destination: Ipv6, protocol: number): Uint8Array => {
      const bytes = udp(source, destination, 500, 500);
      bytes[6] = protocol;
      return bytes;
    };
    rig
      .send(packet(rig.address, NATIVE, own))
      .advanceServed(20_000)
      .clear();
    rig.receive(RELAY, packet(NATIVE, rig.address, claimed)).receive(RELAY, echoRequest(NATIVE, rig.address));
    rig.send(packet(rig.address, NATIVE, own)).advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test('in a flow for which a sender has forged packets of the destination before: they use up only the share of that sender', () => {
    const rig = qualified();
    for (let i = 0; i < 2_000; i++)
      rig.receive(RELAY, udp(native(i), rig.address, 123, 123)).advanceServed(10);
    let tested = 0;
    for (let i = 0; i < 20; i++) {
      const server = v6(`2001:db8:2::${(i + 1).toString(16)}`);
      for (let n = 0; n < 100; n++) rig.receive(RELAY, udp(server, rig.address, 123, 123)).advanceServed(10);
      rig.clear().send(udp(rig.address, server, 123, 123));
      if (rig.machine.counters.droppedStrangerLimit === 0) tested++;
    }
    expect(tested).toBe(20);
  });

  test.each([
    ['a native host', NATIVE, 'test' as const, PRIMARY],
    ['a Teredo peer', PEER, 'bubble' as const, PEER_SERVER],
  ])('%s, during the last attempt that a stranger has caused: all attempts are made', (_, peer, kind, to) => {
    const rig = qualified();
    rig
      .receive(PRIMARY, withOrigin(PEER_MAPPED, echoRequest(peer, rig.address)))
      .send(pong(rig.address, peer));
    rig.advanceServed(6_500).clear();
    rig.send(echoRequest(rig.address, peer)).advanceServed(7_900);
    expect(rig.all(kind, to).map(({ time }) => time - rig.now)).toEqual([-7_900, -5_900, -3_900, -1_900]);
    expect(rig.delivered).toEqual([]);
    rig.advanceServed(100);
    expect(rig.delivered).toHaveLength(2); // errors, one of them for the answer
  });

  describe.each([
    ['in fragments', 44, [0, 0, 0, 1, 0, 0, 0, 7]],
    ['behind destination options', 60, [0, 0, 1, 4, 0, 0, 0, 0]],
    ['behind two headers', 0, [60, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0]],
  ])('%s', (_, header, octets) => {
    /** The packet with these extension headers before its upper layer, whose protocol the last of them names. */
    const behind = (packet: Uint8Array): Uint8Array => {
      const bytes = Uint8Array.from([...packet.slice(0, 40), ...octets, ...packet.slice(40)]);
      const last = 40 + octets.length - 8;
      bytes[last] = packet[6]!;
      bytes[5]! += octets.length;
      bytes[6] = header;
      return bytes;
    };

    test.each([
      ['a ping', (rig: ClientRig) => echoRequest(rig.address, NATIVE)],
      ['a TCP connection', (rig: ClientRig) => tcp(rig.address, NATIVE, SYN)],
      ['a UDP flow with other ports', (rig: ClientRig) => udp(rig.address, NATIVE, 5_000, 53)],
    ])('%s of this host depends on no stranger', (_, packet) => {
      const rig = qualified(none);
      rig
        .receive(RELAY, echoRequest(NATIVE, rig.address))
        .receive(RELAY, udp(NATIVE, rig.address, 53, 4_000));
      rig.send(behind(packet(rig))).advanceServed(7_000);
      expect(rig.all('test')).toHaveLength(4);
    });

    test('an answer to a stranger counts, whichever of the two has the headers', () => {
      for (const isAsked of [true, false]) {
        const rig = qualified(none);
        const [ask, answer] = isAsked ? [behind, (b: Uint8Array) => b] : [(b: Uint8Array) => b, behind];
        rig.receive(RELAY, ask(udp(NATIVE, rig.address, 53, 4_000)));
        rig.send(answer(udp(rig.address, NATIVE, 4_000, 53))).advanceServed(7_000);
        expect(rig.machine.counters.droppedStrangerLimit).toBe(1);
      }
    });
  });

  test('AH: packets of another protocol in the name of its address take nothing from it', () => {
    const rig = qualified(none);
    const packet = udp(rig.address, NATIVE, 500, 500);
    packet[6] = 51;
    rig.receive(RELAY, echoRequest(NATIVE, rig.address)).send(packet).advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test('a contact that an application requests is repeated, whatever strangers do', () => {
    const rig = qualified(none);
    rig.machine.contact(NATIVE, rig.now);
    rig.advanceServed(7_000);
    expect(rig.all('test')).toHaveLength(4);
  });

  test.each([
    ['a SYN-ACK', (rig: ClientRig) => tcp(rig.address, NATIVE, SYN | ACK)],
    ['an echo reply', (rig: ClientRig) => pong(rig.address, NATIVE)],
    ['a UDP answer', (rig: ClientRig) => udp(rig.address, NATIVE, 4_000, 53)],
  ])('%s is not such a flow: it answers a stranger', (_, packet) => {
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

function udp(source: Ipv6, destination: Ipv6, from: number, to: number): Uint8Array {
  const packet = data(source, destination);
  packet.set([from >>> 8, from & 0xff, to >>> 8, to & 0xff], 40);
  return packet;
}

/** Both ports are 443, so that both directions belong to the same flow. */
function tcp(source: Ipv6, destination: Ipv6, flags: number): Uint8Array {
  const packet = udp(source, destination, 443, 443);
  packet[6] = 6;
  packet[53] = flags;
  return packet;
}

describe('Teredo peers', () => {
  test("that name a victim as their server, in bubbles through the client's server: the victim gets no more than strangers may cause", () => {
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

  test.each([1, 2, 3])(
    'get one bubble each with a limit of %i bubbles to an address and a server',
    (burst) => {
      const limit = { perSecond: 0.01, burst };
      const rig = qualified({ limits: { directBubbles: limit, indirectBubbles: limit } });
      rig
        .receive(PRIMARY, withOrigin(PEER_MAPPED, echoRequest(PEER, rig.address)))
        .send(pong(rig.address, PEER));
      expect(rig.kinds).toEqual(['bubble 192.0.2.10:8192', 'bubble 198.51.100.118:3544']);
    },
  );

  test('that this host contacts: each server and each address has its own limit', () => {
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

  test('that answer give tokens back to their address, not to the server that they name', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      const place = at(`198.51.100.1:${4_000 + i}`);
      rig.send(rig.data(teredo(VICTIM, place))).receive(place, data(teredo(VICTIM, place), rig.address));
    }
    expect(rig.all('bubble', VICTIM)).toHaveLength(500);
    expect(rig.all('data')).toHaveLength(1_000);
  });

  test('that send from an address to which no packet may be sent are refused', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE)).receive(at('192.168.9.9:3545'), echoReply(rig.find('test', PRIMARY)));
    expect(rig.all('data')).toEqual([]);
    rig.clear().receive(PEER_MAPPED, data(v6('fd00::1'), rig.address));
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedInvalidSource).toBe(1);
  });
});
