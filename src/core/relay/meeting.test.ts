import { describe, expect, test } from 'vitest';
import { reached } from '../../../test/support/limit-hits.ts';
import { PEER, PEER_SERVER, at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { ICMPV6, buildBubble, checkIcmpv6, hopLimit, icmpv6Code, icmpv6Type } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { RELAY_LIMITS } from './limits.ts';

const A = PEER;
const B = teredo(PEER_SERVER, at('192.0.2.11:8192'));
const NATIVE = v6('2001:db8::1');

function relay(): RelayRig {
  return new RelayRig({ meet: true });
}

/** A relay that knows both clients. */
function acquainted(rig = relay()): RelayRig {
  return rig.acquaint(NATIVE, A).acquaint(NATIVE, B);
}

test('R-23: by default no packet passes between clients', () => {
  const rig = acquainted(new RelayRig()).fromClient(A, B);
  expect([rig.sent, rig.delivered]).toEqual([[], []]);
  expect(rig.machine.counters.droppedNotServed).toBe(1);
});

const withHops = (packet: Uint8Array, hops: number): Uint8Array => {
  packet[7] = hops;
  return packet;
};

test('R-29: the hop limit is decremented; with 1 or 0 the packet is dropped, and its sender gets an error', () => {
  const rig = acquainted();
  const { relayedToClients } = rig.machine.counters;
  const { sentPackets } = rig.machine.trafficOf(A)!;
  for (const hops of [255, 64, 2]) rig.receive(pairOf(A), withHops(packetOf(A, B), hops));
  expect(rig.sent.map(({ bytes }) => hopLimit(bytes, 0))).toEqual([254, 63, 1]);
  for (const hops of [1, 0]) {
    rig.clear().receive(pairOf(A), withHops(packetOf(A, B), hops));
    const [error, ...others] = rig.sent;
    expect([error.to(pairOf(A)), error.destination, others]).toEqual([true, A, []]);
    expect([icmpv6Type(error.bytes, 0), icmpv6Code(error.bytes, 0)]).toEqual([ICMPV6.TIME_EXCEEDED, 0]);
    expect([error.source, checkIcmpv6(error.bytes, 0)]).toEqual([v6('2001:db8:ffff::1'), true]);
    expect(error.bytes.slice(48)).toEqual(withHops(packetOf(A, B), hops));
  }
  // Errors do not count as relayed packets.
  expect(rig.machine.counters).toMatchObject({
    metPackets: 3,
    relayedToClients: relayedToClients + 3,
    droppedHopLimit: 2,
    errorsSent: 2,
  });
  expect(rig.machine.trafficOf(A)).toMatchObject({ receivedPackets: 3, sentPackets });
});

test('R-29: a packet that waits for the other client loses one hop as well', () => {
  const rig = relay()
    .acquaint(NATIVE, A)
    .receive(pairOf(A), withHops(packetOf(A, B), 2));
  rig.answer(rig.bubbles[0]);
  expect(rig.data.map(({ bytes }) => hopLimit(bytes, 0))).toEqual([1]);
});

test('R-29: hop limit errors count in the limit of all errors, of which one client gets a part; an error causes no error', () => {
  const rig = acquainted();
  for (let i = 0; i < 200; i++) rig.receive(pairOf(A), withHops(packetOf(A, B), 1));
  expect(rig.sent.length).toBeGreaterThan(RELAY_LIMITS.errors.burst / 2);
  expect(rig.sent.length).toBeLessThan(RELAY_LIMITS.errors.burst);
  const unreachable = withHops(packetOf(A, B, 8, 58), 1);
  unreachable[40] = ICMPV6.DESTINATION_UNREACHABLE;
  rig.clear().advance(5_000).receive(pairOf(A), unreachable);
  expect(rig.sent).toEqual([]);
});

test('a packet of a known client goes to the other client only', () => {
  const rig = acquainted().fromClient(A, B);
  expect(rig.kinds).toEqual(['data 192.0.2.11:8192']);
  expect([rig.sent[0].source, rig.delivered]).toEqual([A, []]);
  expect(rig.machine.counters.metPackets).toBe(1);
});

test('an unknown client has to prove itself by a bubble through its server before a packet passes', () => {
  const rig = relay().fromClient(A, B);
  expect(rig.kinds).toEqual(['bubble 198.51.100.118:3544']);
  expect(rig.sent[0].destination).toEqual(A);
  rig.clear().answer(rig.bubbles[0] ?? relay().fromClient(A, B).bubbles[0]);
  expect(rig.data).toEqual([]);
});

test('the destination is contacted like any client, and gets the packet when it answers', () => {
  const rig = relay().acquaint(NATIVE, A).fromClient(A, B);
  expect(rig.bubbles.map(({ destination }) => destination)).toEqual([B]);
  rig.answer(rig.bubbles[0]);
  expect(rig.data.map(({ summary }) => summary)).toEqual(['data 192.0.2.11:8192']);
});

test("a packet from another address or port than the client's is dropped", () => {
  const rig = acquainted().receive({ ...pairOf(A), port: 9 }, packetOf(A, B));
  expect(rig.sent).toEqual([]);
  expect(rig.machine.counters.droppedForgedSource).toBe(1);
});

test('a packet from a client to itself is dropped', () => {
  const rig = acquainted().fromClient(A, A);
  expect(rig.sent).toEqual([]);
  expect(rig.machine.counters.droppedLoop).toBe(1);
});

test('bubbles for forged clients are limited by server like those for native hosts', () => {
  const rig = relay();
  for (let i = 0; i < 5_000; i++) rig.fromClient(teredo(PEER_SERVER, at(`192.0.2.1:${1_024 + i}`)), B);
  const { burst } = RELAY_LIMITS.byServer.shared;
  expect(rig.bubbles.length).toBeGreaterThan(0);
  expect(rig.bubbles.length).toBeLessThanOrEqual(burst);
});

test('octets per second from one address are limited', () => {
  const rig = acquainted();
  const { burst, perSecond } = RELAY_LIMITS.meeting;
  const length = 1_000;
  for (let i = 0; i < 1_000; i++) rig.fromClient(A, B, length);
  expect(rig.sent).toHaveLength(Math.floor(burst / (40 + length)));
  rig.clear().advance(1_000);
  for (let i = 0; i < 1_000; i++) rig.fromClient(A, B, length);
  expect(rig.sent).toHaveLength(Math.floor(perSecond / (40 + length)));
  expect(rig.machine.counters.droppedMeetingLimit).toBeGreaterThan(1_500);
  expect(reached(rig.machine, 'meeting')[0]).toBe(rig.machine.counters.droppedMeetingLimit);
});

test('octets per second from all addresses together are limited', () => {
  const clients = Array.from({ length: 20 }, (_, i) => teredo(PEER_SERVER, at(`198.51.100.${i + 1}:4096`)));
  const rig = acquainted();
  for (const client of clients) rig.acquaint(NATIVE, client);
  const length = 1_000;
  const { burst, perSecond } = RELAY_LIMITS.meetings;
  const flood = (): void => {
    for (const client of clients) for (let i = 0; i < 300; i++) rig.fromClient(client, B, length);
  };
  flood();
  expect(rig.sent.length).toBeLessThanOrEqual(Math.floor(burst / (40 + length)));
  rig.advance(1_000);
  flood();
  expect(rig.sent.length).toBeLessThanOrEqual(Math.floor((burst + perSecond) / (40 + length)));
  expect(rig.sent.length).toBeGreaterThan((burst + perSecond) / 2 / (40 + length));
});

test.each([
  ['one IPv4 /24', (i: number) => `198.51.100.${i + 1}:4096`],
  ['networks of their own', (i: number) => `198.18.${i}.1:4096`],
])('40 heavy senders of %s leave the next two clients enough', (_, place) => {
  const clients = Array.from({ length: 40 }, (_unused, i) => teredo(PEER_SERVER, at(place(i))));
  const rig = acquainted();
  for (const client of clients) rig.acquaint(NATIVE, client);
  let met = 0;
  for (let ms = 0; ms < 20_000; ms += 10) {
    for (const client of clients) rig.fromClient(client, B, 1_200);
    rig.clear().advance(10);
    if (ms < 10_000 || ms % 100 !== 0) continue;
    met += rig.clear().fromClient(A, B, 1_000).sent.length;
  }
  expect(met).toBe(100);
});

describe('bubbles that a client causes count for the IPv4 address from which it sends', () => {
  const ATTACKER = at('198.18.0.66:4096');
  const FALSE_SERVER = at('198.18.0.67:3544');
  const { shared, reserve } = RELAY_LIMITS.bySource;
  const invented = (i: number, server = PEER_SERVER): Ipv6 =>
    teredo(server, { address: at('203.0.113.0:1').address + (i >> 12), port: 1_024 + (i & 0xfff) });

  test('before it has proven itself: neither another server nor another mapped address gives it a new budget', () => {
    const rig = relay();
    for (let i = 0; i < 2_000; i++) {
      const server = { ...PEER_SERVER, address: PEER_SERVER.address + i };
      rig.receive({ ...ATTACKER, port: 1_024 + i }, packetOf(invented(i, server), B));
    }
    expect(rig.bubbles.length).toBeGreaterThan(0);
    expect(rig.bubbles.length).toBeLessThanOrEqual(shared.burst + reserve.burst);
  });

  test('other clients of the same server are contacted as before', () => {
    const rig = relay();
    for (let i = 0; i < 600; i++) rig.receive({ ...ATTACKER, port: 1_024 + i }, packetOf(invented(i), B));
    expect(
      rig
        .clear()
        .fromClient(A, B)
        .bubbles.map(({ destination }) => destination),
    ).toEqual([A]);
  });

  test('after it has proven itself and sends to others: whatever Teredo address its own server has confirmed', () => {
    const rig = acquainted();
    const own = Array.from({ length: 40 }, (_, i) => invented(i, FALSE_SERVER));
    for (const client of own) {
      rig.toClient(NATIVE, client);
      const { source, destination } = rig.bubbles.at(-1)!;
      rig.receive(ATTACKER, buildBubble(destination, source, 21)).clear();
    }
    for (let i = 0; i < 2_000; i++) {
      rig.receive(ATTACKER, packetOf(own[i % own.length]!, invented(10_000 + i)));
    }
    expect(rig.bubbles.length).toBeGreaterThan(0);
    expect(rig.bubbles.length).toBeLessThanOrEqual(shared.burst + reserve.burst);
    const C = teredo(FALSE_SERVER, at('192.0.2.12:8192'));
    rig.acquaint(NATIVE, C).clear().fromClient(C, invented(20_000));
    expect(rig.bubbles.map(({ destination }) => destination)).toEqual([invented(20_000)]);
  });

  test('packets that wait for the budget are sent when there is some again', () => {
    const rig = acquainted();
    for (let i = 0; i < 400; i++) rig.fromClient(A, invented(i));
    const before = rig.bubbles.length;
    expect(before).toBeLessThan(400);
    rig.advance(3_000);
    expect(rig.bubbles.length).toBeGreaterThan(before);
  });
});
