import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PEER as PEER_FIELDS, WAY } from '../../src/linux/bpf/layout.ts';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import {
  DESTINATION,
  NEXT_HEADER,
  SOURCE,
  foldSum,
  internetChecksum,
  parsePrefix,
  pseudoHeaderSum,
  readUint16,
  transportChecksum,
  writeUint16,
  writeUint32,
} from '../../src/wire/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { CarryingPrograms, ETHERNET, monotonic } from '../support/carrying-programs.ts';
import { at, data, v6 } from '../support/client-rig.ts';
import { hostReceives, udpSeed } from '../support/host-receive.ts';
import { upFor } from '../support/uptime.ts';

/** The outer headers that a frame needs for the kernel's program to carry its content, and the state of the peer afterwards. */

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const NATIVE = v6('2001:db8::1');
const LOCAL = at('192.0.2.1:3545');
const PLACE = at('198.51.100.7:40000');
const IPV4 = ETHERNET;
const UDP = IPV4 + 20;
const PAYLOAD = UDP + 8;
const [MINUTE_MS, DAY_MS] = [60_000, 86_400_000];
const EVERYTHING = parsePrefix('::/0')!;
/** Addresses that a relay must not serve, whatever its configuration. */
const UNSERVED = ['::', '::1', 'ff02::1', 'ff0e::1', 'fe80::1', 'febf::1', '2001::1', '2001:0:ffff::1'];
/** Addresses next to those. */
const SERVABLE = ['::2', '0:0:0:1::', 'fe00::1', 'fec0::1', '2001:1::', '2000:ffff::1', 'fdff::1'];

let programs: CarryingPrograms;
beforeAll(async () => {
  await upFor(35_000);
  enterNewNetwork();
  programs = new CarryingPrograms(LOCAL);
});
afterAll(() => programs.close());

/** The peer was heard this long ago, ms. */
function begin(role: 'client' | 'relay', ago = 0, serve = parsePrefix('2000::/3')!): void {
  programs.configure({ role, own: role === 'client' ? OWN : undefined, serve: [serve] });
  programs.put(PEER, 0, PLACE, monotonic() - ago);
}

/** A datagram of the peer on the uplink, with all checksums right. */
function frameOf(packet: Uint8Array, localPort = LOCAL.port): Uint8Array {
  const datagram = buildIpv4Udp({
    source: PLACE.address,
    sourcePort: PLACE.port,
    destination: LOCAL.address,
    destinationPort: localPort,
    timeToLive: 64,
    payload: packet,
  });
  return ethernet(0x0800, datagram);
}

function ethernet(type: number, packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET + packet.length);
  writeUint16(frame, ETHERNET - 2, type);
  frame.set(packet, ETHERNET);
  return frame;
}

/** A UDP packet with a right checksum. */
function checkedUdp(source: Ipv6, destination: Ipv6): Uint8Array {
  const packet = data(source, destination, 100);
  writeUint16(packet, 44, 60);
  writeUint16(packet, 46, transportChecksum(packet, 0, NEXT_HEADER.UDP, 40, 100));
  return packet;
}

function sealIpv4(frame: Uint8Array): Uint8Array {
  writeUint16(frame, IPV4 + 10, 0);
  writeUint16(frame, IPV4 + 10, internetChecksum(frame, IPV4, UDP));
  return frame;
}

function sealUdp(frame: Uint8Array): Uint8Array {
  const size = readUint16(frame, UDP + 4);
  writeUint16(frame, UDP + 6, 0);
  writeUint16(frame, UDP + 6, internetChecksum(frame, UDP, UDP + size, udpSeed(frame, IPV4, size)));
  return frame;
}

/** The program's verdict on an arriving frame. A frame that it leaves has to be unchanged. */
function arrives(frame: Uint8Array): number {
  const { bench } = programs;
  bench.frame.set(frame);
  const verdict = programs.runIn(frame.length);
  if (verdict === VERDICT.goOn)
    expect(Buffer.compare(bench.left.subarray(0, bench.leftLength), frame)).toBe(0);
  return verdict;
}

function leaves(packet: Uint8Array): number {
  programs.bench.frame.set(ethernet(0x86dd, packet));
  return programs.runOut(ETHERNET + packet.length);
}

/** As the owner of the socket notes it. */
function isHeard(frame: Uint8Array, packet: Uint8Array): boolean {
  const got = hostReceives(frame, frame.length, LOCAL.address, LOCAL.port);
  return got !== undefined && Buffer.compare(frame.subarray(got.start, got.end), packet) === 0;
}

describe.each(['client', 'relay'] as const)('%s', (role) => {
  const packet = data(PEER, role === 'client' ? OWN : NATIVE, 100);

  test('packets carried to the peer are reported, and are no sign of life', () => {
    begin(role, 3_000);
    expect(leaves(data(role === 'client' ? OWN : NATIVE, PEER, 100))).toBe(VERDICT.carried);
    expect(programs.countReports()).toBe(1);
    expect(programs.take(PEER, 0)).toBeLessThan(monotonic() - 2_500);
  });

  test('CL-45, R-22: a packet carried from the peer is a sign of life, and is reported', () => {
    begin(role, 3_000);
    const before = monotonic();
    expect(arrives(frameOf(packet))).toBe(VERDICT.carried);
    expect(programs.countReports()).toBe(1);
    // The coarse clock advances in steps.
    expect(programs.take(PEER, 0)).toBeGreaterThan(before - 20);
  });

  test('a peer that the socket has not heard for up to half an hour is unseen, until the socket hears it', () => {
    for (const ago of [11_000, 60_000, 35 * MINUTE_MS]) {
      begin(role);
      programs.writeLongUnits(PEER, PEER_FIELDS.socketHeard, monotonic() - ago);
      expect(Math.abs(programs.state(PEER)!.socketHeardAgo / 1e6 - ago)).toBeLessThan(200);
      const before = programs.counters;
      expect(arrives(frameOf(packet))).toBe(VERDICT.goOn);
      expect(programs.counters.inUnseen).toBe(before.inUnseen + 1);
      programs.put(PEER, 0, PLACE, monotonic());
      expect(arrives(frameOf(packet))).toBe(VERDICT.carried);
    }
  });

  test('after a longer silence its time in 16 bits has come round: nothing is carried until the socket hears it', () => {
    for (const ago of [40 * MINUTE_MS, 73 * MINUTE_MS, DAY_MS]) {
      begin(role, 31_000); // the last packet is never much later than the last one at the socket
      programs.writeLongUnits(PEER, PEER_FIELDS.socketHeard, monotonic() - ago);
      expect(programs.state(PEER)!.socketHeardAgo).toBeGreaterThan(29e9);
      const before = programs.counters;
      expect(arrives(frameOf(packet))).toBe(VERDICT.goOn);
      expect(programs.counters.inNotHeard).toBe(before.inNotHeard + 1);
      programs.put(PEER, 0, PLACE, monotonic());
      expect(programs.state(PEER)!.socketHeardAgo).toBeLessThan(1e9);
      expect(arrives(frameOf(packet))).toBe(VERDICT.carried);
    }
  });

  describe('with several uplinks', () => {
    /** The interface of the test runs. */
    const HERE = 1;
    const OTHER = at('192.0.2.7:3545').address;
    const takes = (to = LOCAL.address): boolean => {
      const frame = frameOf(packet);
      writeUint32(frame, IPV4 + 16, to);
      return arrives(sealUdp(sealIpv4(frame))) === VERDICT.carried;
    };
    beforeEach(() => begin(role));
    afterEach(() => {
      programs.setUplink(0, HERE, LOCAL.address);
      programs.setUplink(1, 0, 0);
      programs.arrivals.set([]);
    });

    test('a datagram that arrives by another one than leads to the peer is carried, unless the host would drop it for that', () => {
      programs.setUplink(0, HERE + 1, LOCAL.address);
      expect(takes()).toBe(false);
      programs.arrivals.set([HERE]);
      expect(takes()).toBe(true);
      programs.arrivals.set([HERE + 1]);
      expect(takes()).toBe(false);
    });

    test('a datagram to the address of another one is carried; one to any other address is not', () => {
      expect(takes(OTHER)).toBe(false);
      programs.setUplink(1, HERE + 1, OTHER);
      expect(takes(OTHER)).toBe(true);
      expect(takes(OTHER + 1)).toBe(false);
      expect(takes(0)).toBe(false); // that of uplinks that do not exist
      programs.setUplink(0, HERE + 2, LOCAL.address);
      expect(takes(OTHER)).toBe(false);
    });
  });

  describe('a peer that is reached by a socket of its own', () => {
    const SOCKET_PORT = 50_001;
    beforeEach(() => {
      begin(role);
      programs.put(PEER, 0, PLACE, monotonic(), SOCKET_PORT);
    });
    afterEach(() => programs.ownPorts.remove(SOCKET_PORT));

    test('is sent to from the port of that socket, with a right checksum', () => {
      for (const way of [WAY.bare, WAY.checked]) {
        programs.setWay(PEER, way);
        expect(leaves(checkedUdp(role === 'client' ? OWN : NATIVE, PEER))).toBe(VERDICT.carried);
        const left = programs.bench.left.slice(0, programs.bench.leftLength);
        expect([readUint16(left, UDP), readUint16(left, UDP + 2)]).toEqual([SOCKET_PORT, PLACE.port]);
        const sum = readUint16(left, UDP + 6);
        expect(sum).toBe(way === WAY.bare ? 0 : readUint16(sealUdp(left.slice()), UDP + 6));
      }
    });

    test('is carried to that port only; the other ports of this host are those of other programs', () => {
      programs.ownPorts.add(SOCKET_PORT);
      programs.ownPorts.add(SOCKET_PORT + 1);
      const counted = (port: number): string[] => {
        const before = programs.counters;
        expect(arrives(frameOf(packet, port))).toBe(port === SOCKET_PORT ? VERDICT.carried : VERDICT.goOn);
        const after = programs.counters;
        return Object.keys(after).filter(
          (name) =>
            after[name as keyof typeof after] !== before[name as keyof typeof after] &&
            /^(in|carriedIn$)/.test(name),
        );
      };
      expect(counted(SOCKET_PORT)).toEqual(['carriedIn']);
      expect(counted(SOCKET_PORT + 1)).toEqual(['inElsewhere']);
      expect(counted(LOCAL.port)).toEqual(['inElsewhere']);
      for (const bit of [0, 1, 5, 6, 15]) expect(counted(SOCKET_PORT ^ (1 << bit))).toEqual([]);
      programs.ownPorts.remove(SOCKET_PORT + 1);
    });

    test('is carried no more once the port is taken out, and the port of the service still is', () => {
      programs.ownPorts.add(SOCKET_PORT);
      programs.ownPorts.remove(SOCKET_PORT);
      expect(arrives(frameOf(packet, SOCKET_PORT))).toBe(VERDICT.goOn);
      programs.put(PEER, 0, PLACE, monotonic());
      expect(arrives(frameOf(packet))).toBe(VERDICT.carried);
    });
  });

  test('a peer that was reported as long ago is reported', () => {
    begin(role);
    programs.writeUnits(PEER, PEER_FIELDS.lastReport, monotonic() + 20 * DAY_MS);
    expect(arrives(frameOf(packet))).toBe(VERDICT.carried);
    expect(programs.countReports()).toBe(1);
  });

  test("a datagram that is not a valid peer's tells nothing about how the peer's kernel works", () => {
    const unsummed = frameOf(packet).fill(0, UDP + 6, UDP + 8);
    begin(role, 31_000);
    expect(arrives(unsummed)).toBe(VERDICT.goOn);
    expect(programs.unwraps(PEER)).toBe(false);
    begin(role);
    expect(arrives(unsummed)).toBe(VERDICT.carried);
    expect(programs.unwraps(PEER)).toBe(true);
  });

  test('a packet dropped for its congestion mark is a sign of life; a packet that is left is not', () => {
    begin(role, 3_000);
    const before = monotonic();
    const marked = frameOf(packet);
    marked[IPV4 + 1] = 3;
    expect(arrives(sealIpv4(marked))).toBe(VERDICT.dropped);
    expect(programs.take(PEER, 0)).toBeGreaterThan(before - 20);
    begin(role, 3_000);
    const bubble = packet.slice();
    bubble[6] = NEXT_HEADER.NONE;
    expect(arrives(frameOf(bubble))).toBe(VERDICT.goOn);
    expect(programs.take(PEER, 0)).toBeLessThan(before - 2_500);
    expect(programs.countReports()).toBe(0);
  });

  test.each<[string, (frame: Uint8Array) => Uint8Array]>([
    ['an IPv4 length that is one less', (frame) => sealIpv4(withWord(frame, IPV4 + 2, -1))],
    ['an IPv4 length that is one more', (frame) => sealIpv4(withWord(frame, IPV4 + 2, 1))],
    ['an IPv4 length that ends before the UDP header', (frame) => sealIpv4(withWord(frame, IPV4 + 2, -100))],
    ['a UDP length that is one less', (frame) => withWord(frame, UDP + 4, -1)],
    ['a UDP length that is one more', (frame) => withWord(frame, UDP + 4, 1)],
    ['a UDP length that is one less, checksum and all', (frame) => sealUdp(withWord(frame, UDP + 4, -1))],
    ['one more octet at the end', (frame) => Uint8Array.of(...frame, 0)],
    ['its last octet missing', (frame) => frame.slice(0, -1)],
    ['the address of another host on the link', (frame) => withMac(frame, 0x02)],
    ['the address of a group on the link', (frame) => withMac(frame, 0x01)],
    ['the broadcast address of the link as destination', (frame) => withMac(frame, 0xff)],
    ['an IPv4 checksum that is wrong', (frame) => withWord(frame, IPV4 + 10, 1)],
    ['a TTL that does not match the checksum', (frame) => withWord(frame, IPV4 + 8, 0x0100)],
  ])('left to the host: %s', (_, change) => {
    begin(role);
    const frame = change(frameOf(packet).fill(0, UDP + 6, UDP + 8));
    expect(arrives(frame)).toBe(VERDICT.goOn);
  });

  test('C-29: at every length it is carried with a right UDP checksum, and left with a wrong one', () => {
    begin(role);
    const misjudged: string[] = [];
    const judge = (frame: Uint8Array, one: Uint8Array, what: string, isRight: boolean): void => {
      const verdict = arrives(frame);
      if (isHeard(frame, one) !== isRight || verdict !== (isRight ? VERDICT.carried : VERDICT.goOn))
        misjudged.push(`${one.length} octets, ${what}: ${verdict}`);
    };
    for (let length = 40; length <= 1_472; length += length < 180 ? 1 : 37) {
      const one = data(PEER, packet.slice(DESTINATION, DESTINATION + 16), length);
      for (let i = 40; i < length; i++) one[i] = (i * 151) ^ length;
      const frame = frameOf(one);
      judge(frame, one, 'as sent', true);
      // One of the addresses, the checksum field itself, the last octet.
      for (const place of [PAYLOAD + SOURCE - 1, UDP + 6, frame.length - 1]) {
        frame[place]! ^= 0x20;
        judge(frame, one, `octet ${place} changed`, false);
        frame[place]! ^= 0x20;
      }
    }
    expect(misjudged).toEqual([]);
  });

  test('a datagram too long for its checksum to be verified is left, except one without a checksum', () => {
    begin(role);
    const frame = frameOf(data(PEER, packet.slice(DESTINATION, DESTINATION + 16), 3_000));
    expect(arrives(frame)).toBe(VERDICT.goOn);
    expect(arrives(frame.fill(0, UDP + 6, UDP + 8))).toBe(VERDICT.carried);
  });

  test("octets like those of a checksum to be filled in, outer or inner, are not enough: without the kernel's mark the frame is left", () => {
    begin(role);
    const outside = frameOf(packet);
    writeUint16(outside, UDP + 6, foldSum(udpSeed(outside, IPV4, readUint16(outside, UDP + 4))));
    expect(arrives(outside)).toBe(VERDICT.goOn);
    const within = packet.slice();
    const unmade = foldSum(pseudoHeaderSum(within, 0, NEXT_HEADER.UDP, 60));
    writeUint16(within, 46, unmade);
    const frame = frameOf(within); // as a sender's program makes it, before the sum is filled in
    writeUint16(frame, PAYLOAD + 46, transportChecksum(within, 0, NEXT_HEADER.UDP, 40, 100));
    sealUdp(frame);
    writeUint16(frame, PAYLOAD + 46, unmade);
    expect(arrives(frame)).toBe(VERDICT.goOn);
  });
});

describe('R-23, R-30: a relay that is configured to serve everything', () => {
  const to = (address: Ipv6): number => arrives(frameOf(data(PEER, address, 100)));
  const from = (address: Ipv6): number => leaves(data(address, PEER, 100));

  test.each(UNSERVED)('does not serve %s', (address) => {
    begin('relay', 0, EVERYTHING);
    expect([to(v6(address)), from(v6(address))]).toEqual([VERDICT.goOn, VERDICT.goOn]);
  });

  test.each(SERVABLE)('serves %s', (address) => {
    begin('relay', 0, EVERYTHING);
    expect([to(v6(address)), from(v6(address))]).toEqual([VERDICT.carried, VERDICT.carried]);
  });
});

function withWord(frame: Uint8Array, at: number, difference: number): Uint8Array {
  writeUint16(frame, at, readUint16(frame, at) + difference);
  return frame;
}

function withMac(frame: Uint8Array, first: number): Uint8Array {
  frame.fill(first === 0xff ? 0xff : 0, 0, 6);
  frame[0] = first;
  return frame;
}
