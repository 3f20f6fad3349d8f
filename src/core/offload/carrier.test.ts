import { beforeEach, describe, expect, test } from 'vitest';
import { v6 } from '../../../test/support/client-rig.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import { ICMPV6, NEXT_HEADER, parsePrefix } from '../../wire/index.ts';
import { Carrier } from './carrier.ts';

const PEER = v6('2001:0:c000:201::1');
const OWN = v6('2001:0:c000:201::2');
const STRANGER = v6('2001:0:c000:201::3');
const [ADDRESS, PORT] = [0xc0000201, 4096];

let carrier: Carrier;

beforeEach(() => {
  carrier = clientsCarrier();
});

/** With PEER, last heard and offered at these times. */
function clientsCarrier(heardAt = 0, offeredAt = 0): Carrier {
  const made = new Carrier('client');
  made.setOwn(OWN);
  made.offload(PEER, 0, { address: ADDRESS, port: PORT }, heardAt, offeredAt);
  return made;
}

function goesOut(packet: Uint8Array, now = 1): boolean {
  const to = carrier.carryOut(packet, 0, packet.length, now);
  if (to !== undefined) expect(to).toMatchObject({ address: ADDRESS, port: PORT });
  return to !== undefined;
}

function comesIn(packet: Uint8Array, now = 1, address = ADDRESS, port = PORT): boolean {
  return carrier.carryIn(packet, 0, packet.length, { address, port }, now) === 'carried';
}

describe('outbound: carries packets that the machine would send without further checks', () => {
  test("to a peer, from the client's own address", () => {
    expect(goesOut(packetOf(OWN, PEER))).toBe(true);
    expect(goesOut(packetOf(OWN, STRANGER))).toBe(false);
    expect(goesOut(packetOf(STRANGER, PEER))).toBe(false);
    carrier.setOwn(undefined);
    expect(goesOut(packetOf(OWN, PEER))).toBe(false);
    expect(carrier.counters).toMatchObject({ carriedOut: 1, outNoPeer: 1, outForeignSource: 2 });
  });

  test('CL-71: whole packets of at most 1280 octets', () => {
    expect(goesOut(packetOf(OWN, PEER, 1240))).toBe(true);
    expect(goesOut(packetOf(OWN, PEER, 1241))).toBe(false);
    for (let end = 0; end < 48; end++) expect(goesOut(packetOf(OWN, PEER).subarray(0, end))).toBe(false);
  });

  test('CL-60: within 30 s of the last packet from the peer', () => {
    carrier = clientsCarrier(0, 29_000);
    expect(goesOut(packetOf(OWN, PEER), 29_999)).toBe(true);
    expect(goesOut(packetOf(OWN, PEER), 30_000)).toBe(false);
    carrier.offload(PEER, 0, { address: ADDRESS, port: PORT }, 29_000, 29_000);
    expect(goesOut(packetOf(OWN, PEER), 30_000)).toBe(true);
  });

  test('none if the peer has not answered for 2 s, until it is heard again', () => {
    const carried = [100, 1_999, 2_000, 2_100].map((now) => goesOut(packetOf(OWN, PEER), now));
    expect(carried).toEqual([true, true, false, false]);
    expect(carrier.wayOf(PEER)).toBe('both');
    expect(comesIn(packetOf(PEER, OWN), 2_200)).toBe(true);
    expect(goesOut(packetOf(OWN, PEER), 2_300)).toBe(true);
  });

  test('none after the host has refused a datagram to the peer', () => {
    carrier.distrust(PEER, 0);
    expect(goesOut(packetOf(OWN, PEER), 100)).toBe(false);
    expect(comesIn(packetOf(PEER, OWN), 200)).toBe(true);
  });

  test('one packet in 4 s goes to the machine; of TCP segments with data one in 6 s', () => {
    const left: number[] = [];
    for (let now = 100; now < 20_000; now += 100) {
      carrier.offload(PEER, 0, { address: ADDRESS, port: PORT }, now, now);
      if (!goesOut(packetOf(OWN, PEER), now)) left.push(now);
    }
    expect(left).toEqual([4_000, 8_000, 12_000, 16_000]);
    carrier = clientsCarrier();
    const segment = packetOf(OWN, PEER, 40, NEXT_HEADER.TCP);
    segment[52] = 0x50; // 20 octets of header
    left.length = 0;
    for (let now = 100; now < 20_000; now += 100) {
      carrier.offload(PEER, 0, { address: ADDRESS, port: PORT }, now, now);
      if (!goesOut(segment, now)) left.push(now);
    }
    expect(left).toEqual([6_000, 12_000, 18_000]);
  });

  test('a packet after a pause is carried: it does not count as unanswered', () => {
    carrier = clientsCarrier(0, 9_000);
    expect(goesOut(packetOf(OWN, PEER), 10_000)).toBe(true);
  });
});

describe('inbound: carries packets that the machine would deliver without further checks', () => {
  test("CL-45: only from exactly the peer's address and port", () => {
    expect(comesIn(packetOf(PEER, OWN))).toBe(true);
    expect(comesIn(packetOf(PEER, OWN), 1, ADDRESS + 1)).toBe(false);
    expect(comesIn(packetOf(PEER, OWN), 1, ADDRESS, PORT + 1)).toBe(false);
    expect(comesIn(packetOf(STRANGER, OWN))).toBe(false);
    expect(comesIn(packetOf(PEER, STRANGER))).toBe(false);
  });

  test('only if the machine has received a packet of the peer within 10 s; from 4 s on one packet a second is left to the machine', () => {
    const carried = [3_999, 4_000, 4_100, 5_000, 5_100, 9_999, 10_000].map((now) =>
      comesIn(packetOf(PEER, OWN), now),
    );
    expect(carried).toEqual([true, false, true, false, true, false, false]);
    carrier.offload(PEER, 0, { address: ADDRESS, port: PORT }, 10_000, 10_000);
    expect(comesIn(packetOf(PEER, OWN), 10_100)).toBe(true);
  });

  test('no bubbles, extension headers, trailers, Teredo headers or truncated packets', () => {
    for (const header of [
      NEXT_HEADER.NONE,
      NEXT_HEADER.HOP_BY_HOP,
      NEXT_HEADER.ROUTING,
      NEXT_HEADER.FRAGMENT,
    ])
      expect(comesIn(packetOf(PEER, OWN, 8, header))).toBe(false);
    const whole = packetOf(PEER, OWN);
    for (let end = 0; end < whole.length; end++) expect(comesIn(whole.subarray(0, end))).toBe(false);
    expect(comesIn(Uint8Array.of(...whole, 1, 0))).toBe(false);
    expect(comesIn(Uint8Array.of(0, 0, 1, 2, 3, 4, 5, 6, ...whole))).toBe(false);
    expect(carrier.counters.carriedIn).toBe(0);
  });

  test('N-8: the ECN field is combined with the outer one, and packets are dropped as RFC 6040 says', () => {
    const packet = packetOf(PEER, OWN);
    expect(carrier.carryIn(packet, 0, packet.length, { address: ADDRESS, port: PORT, tos: 3 }, 1)).toBe(
      'dropped',
    );
    expect(packet).toEqual(packetOf(PEER, OWN));
    packet[1] = 2 << 4;
    expect(carrier.carryIn(packet, 0, packet.length, { address: ADDRESS, port: PORT, tos: 3 }, 3_000)).toBe(
      'carried',
    );
    expect(packet[1]).toBe(3 << 4);
    carrier = clientsCarrier(0, 31_000);
    expect(
      carrier.carryIn(packetOf(PEER, OWN), 0, packet.length, { address: ADDRESS, port: PORT, tos: 3 }, 3_000),
    ).toBe('dropped');
    expect(goesOut(packetOf(OWN, PEER), 32_500)).toBe(true); // the dropped packet shows that the peer is alive
  });

  test('a router advertisement goes to a client, not to a relay', () => {
    const advertisement = packetOf(PEER, OWN, 16, NEXT_HEADER.ICMPV6);
    advertisement[40] = ICMPV6.RA;
    expect(comesIn(advertisement)).toBe(false);
    const empty = packetOf(PEER, OWN, 0, NEXT_HEADER.ICMPV6);
    expect(comesIn(empty)).toBe(true);
  });

  test('CL-46: a possible answer to a connectivity test goes to a client, not to a relay', () => {
    const reply = packetOf(PEER, OWN, 16, NEXT_HEADER.ICMPV6);
    reply[40] = ICMPV6.ECHO_REPLY;
    expect(comesIn(reply)).toBe(false);
    const longer = packetOf(PEER, OWN, 17, NEXT_HEADER.ICMPV6);
    longer[40] = ICMPV6.ECHO_REPLY;
    expect(comesIn(longer)).toBe(true);

    carrier = new Carrier('relay');
    const native = v6('2001:db8::1');
    carrier.setServed([parsePrefix('2000::/3')!]);
    carrier.offload(PEER, 0, { address: ADDRESS, port: PORT }, 0, 0);
    reply.set(native, 24);
    expect(comesIn(reply)).toBe(true);
    expect(comesIn(packetOf(PEER, OWN))).toBe(false); // 2001::/32 is not served
    expect(goesOut(packetOf(native, PEER))).toBe(true);
    expect(goesOut(packetOf(OWN, PEER))).toBe(false);
  });
});

describe('reports', () => {
  test('come once a second, with times and counts since the report before', () => {
    comesIn(packetOf(PEER, OWN), 100);
    goesOut(packetOf(OWN, PEER), 200);
    comesIn(packetOf(PEER, OWN), 300);
    expect(carrier.takeReports()).toEqual({
      count: 1,
      buffer: PEER,
      receivedAt: Float64Array.of(100),
      sentAt: Float64Array.of(-Infinity),
      receivedPackets: Float64Array.of(1),
      receivedBytes: Float64Array.of(48),
      sentPackets: Float64Array.of(0),
      sentBytes: Float64Array.of(0),
    });
    expect(carrier.hasReports).toBe(false);
    goesOut(packetOf(OWN, PEER), 1_100);
    expect(carrier.takeReports()).toMatchObject({
      count: 1,
      receivedAt: Float64Array.of(300),
      sentAt: Float64Array.of(1_100),
      receivedPackets: Float64Array.of(1),
      sentPackets: Float64Array.of(2),
    });
  });

  test('contain the rest when the peer is unloaded; there is none without packets', () => {
    comesIn(packetOf(PEER, OWN), 100);
    comesIn(packetOf(PEER, OWN), 200);
    carrier.takeReports();
    carrier.unload(PEER, 0);
    expect(carrier.takeReports()).toMatchObject({ count: 1, receivedAt: Float64Array.of(200) });
    carrier.unload(PEER, 0);
    carrier.offload(PEER, 0, { address: ADDRESS, port: PORT }, 200, 200);
    carrier.clear();
    expect(carrier.takeReports().count).toBe(0);
    expect(carrier.size).toBe(0);
  });
});
