import { describe, expect, test } from 'vitest';
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
  echoReply,
  echoRequest,
  teredo,
  v6,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import { buildEchoReply } from '../../../wire/index.ts';
import type { Ipv6 } from '../../../wire/index.ts';

const ELSEWHERE = at('198.18.0.1:1111');
const RELAY_LINK_LOCAL = v6('fe80::1234:5678:9abc:def0');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();

describe('bubbles through the server', () => {
  test('CL-43, CL-51, CL-96: from a relay for a native host: a bubble to the origin, and a test', () => {
    const rig = qualified().receive(PRIMARY, withOrigin(RELAY, bubble(NATIVE, qualified().address)));
    rig.receive(PRIMARY, withOrigin(RELAY, bubble(NATIVE, rig.address)));
    expect(rig.kinds).toEqual(['bubble 192.0.2.200:3545', 'test 203.0.113.120:3544']);
    expect(rig.sent[0].source).toEqual(rig.address);
    expect(rig.sent[0].destination).toEqual(NATIVE);
    rig.receive(RELAY, echoReply(rig.sent[1])).clear().send(rig.data(NATIVE));
    expect(rig.kinds).toEqual(['data 192.0.2.200:3545']);
  });

  test('CL-51, CL-96: from a relay with a link-local source: a bubble to that address, no test', () => {
    const rig = qualified();
    rig.receive(PRIMARY, withOrigin(RELAY, bubble(RELAY_LINK_LOCAL, rig.address)));
    expect(rig.kinds).toEqual(['bubble 192.0.2.200:3545']);
    expect(rig.sent[0].destination).toEqual(RELAY_LINK_LOCAL);
  });

  test('CL-51, E-30: from a client: a direct bubble to its mapped address and port, with or without an origin, and an indirect one', () => {
    for (const wrap of [(b: Uint8Array) => withOrigin(PEER_MAPPED, b), (b: Uint8Array) => b]) {
      const rig = qualified();
      rig.receive(PRIMARY, wrap(bubble(PEER, rig.address)));
      expect(rig.kinds).toEqual(['bubble 192.0.2.10:8192', 'bubble 198.51.100.118:3544']); // and E-30
      expect(rig.sent[0].destination).toEqual(PEER);
      expect([...rig.machine.peers(rig.now)].some(({ trusted }) => trusted)).toBe(false);
    }
  });

  test('A-3, C-9: never to an origin or a mapped address that is not global', () => {
    const rig = qualified();
    for (const origin of ['10.0.0.1:1', '127.0.0.1:53', '169.254.1.1:9', '224.0.0.1:9', '192.168.1.255:9']) {
      rig.receive(PRIMARY, withOrigin(at(origin), bubble(RELAY_LINK_LOCAL, rig.address)));
      rig.receive(PRIMARY, withOrigin(at(origin), bubble(teredo(PEER_SERVER, at(origin)), rig.address)));
    }
    expect(rig.sent).toEqual([]);
  });

  test("A-4: answers to one peer are 2 s apart, also during the client's own contact", () => {
    const rig = qualified();
    rig.send(rig.data(PEER)).clear();
    for (let i = 0; i < 80; i++) {
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advance(50);
    }
    const replies = rig.all('bubble', PEER_MAPPED).map(({ time }) => time - 10_000);
    expect(replies.filter((time) => time % 2_000 === 0)).toEqual(replies);
    expect(rig.machine.counters).toMatchObject({ sentBubbleReplies: 3, suppressedBubbleReplies: 77 });
  });

  test('A-4: each attempt of a peer is answered; one that comes early, 2 s after the answer before', () => {
    const rig = qualified();
    for (const gap of [1_600, 2_400, 1_990, 2_000]) {
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advance(gap);
    }
    expect(rig.all('bubble', PEER_MAPPED).map(({ time }) => time - 10_000)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(rig.machine.counters.suppressedBubbleReplies).toBe(0);
  });

  test('A-4, CL-4: a waiting answer is not sent when the client is no longer qualified', () => {
    const rig = qualified();
    rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advance(1_700);
    rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address)));
    rig.machine.stop(rig.now);
    rig.drain().clear().advance(5_000);
    expect(rig.sent).toEqual([]);
  });

  test('CL-44: an origin indication that does not come from the server is never used', () => {
    const rig = qualified();
    for (const from of [ELSEWHERE, at('203.0.113.120:3545'), at('203.0.113.121:3544'), RELAY]) {
      rig.receive(from, withOrigin(at('198.51.100.77:7777'), bubble(NATIVE, rig.address)));
      rig.receive(from, withOrigin(at('198.51.100.77:7777'), bubble(PEER, rig.address)));
    }
    expect(rig.sent).toEqual([]);
  });

  test('bubbles to one IPv4 address are limited', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      const source = v6(`fe80::1:${i.toString(16)}`);
      rig.receive(PRIMARY, withOrigin(ELSEWHERE, bubble(source, rig.address)));
    }
    expect(rig.all('bubble')).toHaveLength(100);
    rig.advance(1_000);
    for (let i = 0; i < 1_000; i++) {
      rig.receive(PRIMARY, withOrigin(ELSEWHERE, bubble(v6(`fe80::2:${i.toString(16)}`), rig.address)));
    }
    expect(rig.all('bubble')).toHaveLength(110);
  });
});

describe('forged bubbles of a silent peer', () => {
  const ask = (rig: ClientRig, count: number): ClientRig => {
    for (let i = 0; i < count; i++)
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advanceServed(2_000);
    return rig.clear();
  };
  const indirect = (rig: ClientRig): number[] =>
    rig.all('bubble', PEER_SERVER).map(({ time }) => time - rig.now);

  test('CL-94: do not use up the rounds of a contact that this host begins afterwards', () => {
    const rig = ask(qualified(), 4);
    rig.send(rig.data(PEER)).advanceServed(8_000);
    expect(indirect(rig)).toEqual([-8_000, -6_000, -4_000, -2_000]);
  });

  test('CL-93: do not delay the first bubble of this host', () => {
    const rig = qualified();
    rig
      .receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address)))
      .advance(100)
      .clear();
    rig.send(rig.data(PEER));
    expect(indirect(rig)).toEqual([0]);
  });

  test('CL-94: do not use up its rounds while this host wants the peer', () => {
    const rig = qualified();
    rig.send(rig.data(PEER)).advanceServed(1_000);
    ask(rig, 10).advanceServed(300_000).clear();
    for (let i = 0; i < 5; i++)
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advanceServed(2_000);
    rig.clear().send(rig.data(PEER)).advanceServed(8_000);
    expect(indirect(rig)).toEqual([-8_000, -6_000, -4_000, -2_000]);
  });

  test('CL-94: forged packets that this host answers do not either', () => {
    const rig = qualified();
    rig.receive(PRIMARY, withOrigin(PEER_MAPPED, echoRequest(PEER, rig.address)));
    rig.send(pong(rig.address, PEER)).advanceServed(9_000);
    expect(indirect(rig)).toHaveLength(4);
    rig.clear().send(rig.data(PEER)).advanceServed(8_000);
    expect(indirect(rig)).toEqual([-8_000, -6_000, -4_000, -2_000]);
  });

  test('CL-94, A-4: cause four rounds in 300 s, in addition to the four of this host', () => {
    const rig = qualified();
    for (let i = 0; i < 145; i++) {
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address)));
      if (i % 5 === 0) rig.send(pong(rig.address, PEER));
      if (i % 7 === 3) rig.send(rig.data(PEER));
      rig.advanceServed(2_000);
    }
    expect(indirect(rig)).toHaveLength(8);
    rig.clear().advanceServed(10_000);
    for (let i = 0; i < 5; i++)
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advanceServed(2_000);
    expect(indirect(rig).length).toBeLessThanOrEqual(4);
    expect(indirect(rig).length).toBeGreaterThan(0);
  });
});

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
