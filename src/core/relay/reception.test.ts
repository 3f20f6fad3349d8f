import { describe, expect, test } from 'vitest';
import { MAPPED, PEER, PRIMARY, at, teredo, v6 } from '../../../test/support/client-rig.ts';
import { join, malformed, packetOf } from '../../../test/support/machine-rig.ts';
import { RelayRig, prefix } from '../../../test/support/relay-rig.ts';
import { NOT_SOURCE_ROUTED, SOURCE_ROUTED, extended } from '../../../test/support/source-routes.ts';
import { ServerRig } from '../../../test/support/server-rig.ts';
import { bytesOf, payloadOf } from '../../../test/support/vectors.ts';
import { buildBubble, buildEchoReply, echoData, toHex } from '../../wire/index.ts';

const CLIENT = teredo(PRIMARY, MAPPED);
const NATIVE = v6('2001:db8::1');
const RELAY = at('192.0.2.200:3545');

describe('reception', () => {
  test('R-22: unsolicited packets and bubbles are dropped, and add no peer', () => {
    const rig = new RelayRig().fromClient(CLIENT, NATIVE).receive(MAPPED, buildBubble(CLIENT, NATIVE, 21));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedUnsolicited).toBe(2);
    expect([...rig.machine.peers]).toEqual([]);
    expect(rig.machine.pollTimeout()).toBe(Infinity);
  });

  test('R-23: data of a trusted client is delivered unchanged, without trailers', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    const packet = packetOf(CLIENT, NATIVE, 100);
    rig.receive(MAPPED, join(packet, bytesOf('0104deadbeef')));
    expect(rig.delivered.map((bytes) => toHex(bytes))).toEqual([toHex(packet)]);
    expect(rig.sent).toEqual([]);
  });

  test('C-31: a packet with a routing header of type 0 goes neither to the native host nor to another client', () => {
    const other = teredo(PRIMARY, at('192.0.2.11:8192'));
    const rig = new RelayRig({ meet: true }).acquaint(NATIVE, CLIENT).acquaint(NATIVE, other);
    for (const [, chain] of SOURCE_ROUTED) {
      rig.receive(MAPPED, extended(packetOf(CLIENT, NATIVE), chain));
      rig.receive(MAPPED, extended(packetOf(CLIENT, other), chain));
    }
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedRoutingHeader).toBe(2 * SOURCE_ROUTED.length);
    for (const [, chain] of NOT_SOURCE_ROUTED) rig.receive(MAPPED, extended(packetOf(CLIENT, NATIVE), chain));
    expect(rig.delivered).toHaveLength(NOT_SOURCE_ROUTED.length);
  });

  test("a client's traffic counts relayed packets in both directions, carried ones included", () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT, 100);
    rig.answer(rig.bubbles[0]!).toClient(NATIVE, CLIENT, 60);
    rig.fromClient(CLIENT, NATIVE, 10).fromClient(CLIENT, v6('fe80::1'), 10);
    const here = { receivedPackets: 1, receivedBytes: 50, sentPackets: 2, sentBytes: 240 };
    expect(rig.machine.trafficOf(CLIENT)).toEqual(here);
    const more = { receivedPackets: 1, receivedBytes: 10, sentPackets: 1, sentBytes: 20 };
    rig.machine.handleCarried(CLIENT, 0, rig.now, rig.now, rig.now, more);
    expect(rig.machine.trafficOf(CLIENT)).toMatchObject({ receivedBytes: 60, sentPackets: 3 });
    expect(rig.machine.status(rig.now).traffic, 'without the kernel path').toEqual(here);
  });

  test('R-21, V13: from another port or address: dropped, and the entry unchanged', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(20_000);
    rig
      .receive(at('192.0.2.1:4097'), packetOf(CLIENT, NATIVE))
      .receive(at('192.0.2.2:4096'), packetOf(CLIENT, NATIVE));
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedForgedSource).toBe(2);
    const peer = rig.machine.peers.find(CLIENT, 0);
    expect(rig.machine.peers.lastReceived.at(peer)).toBe(10_000);
    expect(rig.machine.peers.mappedPort[peer]).toBe(4_096);
  });

  test('A-14: a client behind a symmetric NAT is reached at the source of its answer, and nowhere else', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    const place = at('192.0.2.1:5000');
    rig.receive(place, buildBubble(CLIENT, v6('fe80::1234'), 21)); // it has not received the relay's bubble
    expect([rig.data, rig.isTrusted(CLIENT)]).toEqual([[], false]);
    rig.receive(place, buildBubble(CLIENT, rig.bubbles[0].source, 21));
    expect(rig.data.map(({ summary }) => summary)).toEqual(['data 192.0.2.1:5000']);
    rig.clear().receive(place, packetOf(CLIENT, NATIVE));
    expect(rig.delivered).toHaveLength(1);
    rig.receive(MAPPED, packetOf(CLIENT, NATIVE));
    rig.receive(at('192.0.2.1:5001'), packetOf(CLIENT, NATIVE));
    expect([rig.delivered.length, rig.machine.counters.droppedForgedSource]).toEqual([1, 3]);
  });

  test('A-14, C-9: an answer from an address to which no packet may be sent does not count', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    for (const place of ['10.0.0.1:5000', '127.0.0.1:53', '224.0.0.1:9', '192.0.2.1:0'])
      rig.receive(at(place), buildBubble(CLIENT, rig.bubbles[0].source, 21));
    expect([rig.data, rig.isTrusted(CLIENT)]).toEqual([[], false]);
  });

  test("R-21, R-32: from a source that is not a Teredo address; the relay's own datagram returned", () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).toClient(NATIVE, CLIENT);
    const [own] = rig.sent;
    rig
      .clear()
      .receive(MAPPED, own.bytes)
      .receive(MAPPED, packetOf(v6('2001:1::1'), NATIVE));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedForgedSource).toBe(2);
  });

  test.each(['ff0e::1', 'ff02::2', 'fe80::1', '::1', '::', '2001:0:cb00:7178::1', 'fc00::1'])(
    'R-23, R-30: to %s: dropped',
    (destination) => {
      const rig = new RelayRig().acquaint(NATIVE, CLIENT).fromClient(CLIENT, v6(destination));
      expect([rig.sent, rig.delivered]).toEqual([[], []]);
      expect(rig.machine.counters.droppedNotServed).toBe(1);
    },
  );

  test('R-23: only the ranges served', () => {
    const rig = new RelayRig({ serve: [prefix('2001:db8::/48'), prefix('2001:db8:1:8000::/49')] });
    rig.acquaint(NATIVE, CLIENT);
    const served = ['2001:db8::5', '2001:db8:0:ffff::', '2001:db8:1:8000::', '2001:db8:1:ffff::1'];
    const others = ['2001:db8:1:7fff::1', '2001:db8:2::', '2001:db9::', '2620::1'];
    for (const text of [...served, ...others]) rig.fromClient(CLIENT, v6(text));
    expect(rig.delivered.map((packet) => toHex(packet, 24, 40))).toEqual(
      served.map((text) => toHex(v6(text))),
    );
    for (const text of others) rig.toClient(v6(text), PEER);
    expect(rig.machine.counters.droppedForeignSource).toBe(4);
  });

  test('R-24: bubbles are consumed', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).receive(MAPPED, buildBubble(CLIENT, NATIVE, 0));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
  });

  test('R-35: headers in front are skipped and do not count', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    const packet = packetOf(CLIENT, NATIVE);
    rig.receive(MAPPED, join(bytesOf('00010000a1b2c3d4e5f6071800', '0000ceaef7f7f7f7'), packet));
    expect(rig.delivered.map((bytes) => toHex(bytes))).toEqual([toHex(packet)]);
    expect(rig.sent).toEqual([]);
  });

  test('R-20, C-13 to C-17: malformed datagrams: dropped silently', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    const packet = packetOf(CLIENT, NATIVE);
    for (let length = 0; length < packet.length; length++) rig.receive(MAPPED, packet.subarray(0, length));
    for (const start of ['0002', '45', '00000000', '0001ffff'])
      rig.receive(MAPPED, join(bytesOf(start), packet));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(malformed(rig.machine.counters)).toBe(packet.length + 4);
  });
});

describe('which clients to trust: R-22, A-26', () => {
  test('a client that answers to the source of the bubble', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    expect(rig.answer(rig.bubbles[0]).isTrusted(CLIENT)).toBe(true);
    expect(rig.machine.counters.contactsAnswered).toBe(1);
  });

  test('an answer may have trailers, or an origin indication in front', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    const answer = buildBubble(CLIENT, rig.bubbles[0].source, 21);
    rig.receive(MAPPED, join(bytesOf('0000efff3ffffdfe'), answer, bytesOf('0104deadbeef')));
    expect(rig.isTrusted(CLIENT)).toBe(true);
  });

  test('not a sender that only forges the outer source: no packet goes to that victim', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    const proof = rig.bubbles[0].source;
    rig.clear().receive(MAPPED, buildBubble(CLIENT, NATIVE, 21));
    for (let bit = 0; bit < 128; bit++) {
      const guess = proof.slice();
      guess[bit >> 3] ^= 0x80 >> (bit & 7);
      rig.receive(MAPPED, buildBubble(CLIENT, guess, 21));
    }
    for (let i = 0; i < 100; i++) rig.fromClient(CLIENT, NATIVE);
    rig.toClient(NATIVE, CLIENT);
    expect(rig.sent).toEqual([]);
    expect(rig.isTrusted(CLIENT)).toBe(false);
    expect(rig.machine.counters.droppedForgedProof).toBe(129);
  });

  test("not a sender of another client's answer", () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT).toClient(NATIVE, PEER);
    const [, other] = rig.bubbles;
    rig.receive(MAPPED, buildBubble(CLIENT, other.source, 21));
    expect(rig.isTrusted(CLIENT)).toBe(false);
  });

  test('data that overtakes its bubble is delivered, but does not make the client trusted', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    rig.fromClient(CLIENT, NATIVE);
    expect(rig.delivered.length).toBe(1);
    expect(rig.isTrusted(CLIENT)).toBe(false);
    expect(rig.data).toEqual([]);
    expect(rig.answer(rig.bubbles[0]).data.length).toBe(1);
  });

  test('an answer to any bubble of the contact counts, for a minute at least', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT).advance(7_000);
    expect(rig.answer(rig.bubbles[0]).data.length).toBe(1);
    const late = new RelayRig().toClient(NATIVE, CLIENT).advance(59_000);
    expect(late.answer(late.bubbles[0]).isTrusted(CLIENT)).toBe(true);
    const tooLate = new RelayRig().toClient(NATIVE, CLIENT).advance(121_000);
    expect(tooLate.answer(tooLate.bubbles[0]).isTrusted(CLIENT)).toBe(false);
  });

  test('a relay that has restarted: old clients are dropped until its own bubble is answered', () => {
    const rig = new RelayRig().fromClient(CLIENT, NATIVE);
    expect(rig.delivered).toEqual([]);
    rig.toClient(NATIVE, CLIENT);
    expect(rig.answer(rig.bubbles[0]).data.length).toBe(1);
    expect(rig.fromClient(CLIENT, NATIVE).delivered.length).toBe(1);
  });
});

test('R-25, H-6, S-22: the whole first contact of a client: EX14, the bubble, EX15', () => {
  const server = new ServerRig();
  const relay = new RelayRig();

  // The client's connectivity test goes through its server to the native host, which replies; the reply comes to the relay.
  server.example('EX14');
  const [test] = server.delivered;
  const { start, end } = echoData(test, 0);
  const reply = buildEchoReply({
    source: NATIVE,
    destination: CLIENT,
    hopLimit: 61,
    identifier: 0x5444,
    sequence: 1,
    data: test.subarray(start, end),
  });
  relay.offer(reply);
  expect(relay.kinds).toEqual(['bubble 203.0.113.120:3544']);

  // The relay's bubble goes through the server to the client, with the relay's address and port as origin: EX17, except for the source.
  server.receive(RELAY, relay.bubbles[0].bytes);
  const [indirect] = server.sent;
  expect(indirect.to(MAPPED)).toBe(true);
  const expected = payloadOf('EX17');
  expected.set(relay.bubbles[0].source, 16);
  expected[15] = 21;
  expect(toHex(indirect.bytes)).toBe(toHex(expected));

  // The client's bubble to the origin opens its NAT, and the relay sends the reply that waited: EX15.
  relay.answer(relay.bubbles[0]);
  expect(relay.kinds.slice(1)).toEqual(['data 192.0.2.1:4096']);
  expect(toHex(relay.sent[1].bytes)).toBe(toHex(payloadOf('EX15')));
});

describe('host-specific relay', () => {
  const OTHER = v6('2001:db8::2');
  const host = () => new RelayRig({ serve: [prefix('2001:db8::1/128')] });

  test('H-2: it sends nothing unless the host or a client does', () => {
    const rig = host().advance(1e6);
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.pollTimeout()).toBe(Infinity);
  });

  test('H-1, H-4: packets of the host go to the client directly, after the bubble', () => {
    const rig = host().toClient(NATIVE, CLIENT);
    expect(rig.kinds).toEqual(['bubble 203.0.113.120:3544']);
    expect(rig.answer(rig.bubbles[0]).data[0].to(MAPPED)).toBe(true);
  });

  test('H-5: it serves exactly the host, not its neighbours', () => {
    const rig = host().acquaint(NATIVE, CLIENT).fromClient(CLIENT, NATIVE).fromClient(CLIENT, OTHER);
    expect(rig.delivered.length).toBe(1);
    rig.toClient(OTHER, CLIENT);
    expect(rig.sent).toEqual([]);
    expect([rig.machine.counters.droppedNotServed, rig.machine.counters.droppedForeignSource]).toEqual([
      1, 1,
    ]);
  });

  test("H-5: follows the changes of the host's addresses", () => {
    const rig = host().acquaint(NATIVE, CLIENT);
    rig.machine.setServed([prefix('2001:db8::2/128')]);
    rig.fromClient(CLIENT, NATIVE).fromClient(CLIENT, OTHER);
    expect(rig.delivered.map((packet) => toHex(packet, 24, 40))).toEqual([toHex(OTHER)]);
    rig.machine.setServed([]);
    rig.clear().fromClient(CLIENT, OTHER).toClient(OTHER, CLIENT);
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
  });

  test('H-6: packets of a client that begins are dropped until the host replies to its test', () => {
    const rig = host().fromClient(CLIENT, NATIVE);
    expect(rig.delivered).toEqual([]);
    rig.toClient(NATIVE, CLIENT);
    rig.answer(rig.bubbles[0]).fromClient(CLIENT, NATIVE);
    expect([rig.data.length, rig.delivered.length]).toEqual([1, 1]);
  });
});
