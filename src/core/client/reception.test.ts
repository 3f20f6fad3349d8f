import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  MAPPED,
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
  teredo,
  v6,
  withOrigin,
} from '../../../test/support/client-rig.ts';
import { buildEchoReply } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';

const ELSEWHERE = at('198.18.0.1:1111');
const RELAY_LINK_LOCAL = v6('fe80::1234:5678:9abc:def0');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();

describe('acceptance', () => {
  test('CL-40, C-15, C-16: what does not decode is dropped, with its reason', () => {
    const rig = qualified();
    for (const bytes of [[], [0, 2, 0], [0x45, 0], [0, 1, 255, 255], [0, 0, 1]]) {
      rig.receive(PEER_MAPPED, Uint8Array.from(bytes));
    }
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address).slice(0, 39));
    expect(rig.sent).toEqual([]);
    const { droppedEmpty, droppedUnknownHeader, droppedNotIpv6, droppedTruncatedIpv6 } = rig.machine.counters;
    expect([droppedEmpty, droppedUnknownHeader, droppedNotIpv6, droppedTruncatedIpv6]).toEqual([1, 1, 1, 1]);
  });

  test('CL-41: for another address - neither delivered nor answered', () => {
    const rig = qualified();
    const other = teredo(PRIMARY, at('192.0.2.1:4097'));
    rig.receive(RELAY, data(NATIVE, other)).receive(PEER_MAPPED, bubble(PEER, other));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedForeignDestination).toBe(2);
  });

  test('E-3, E-5, C-17: trailers are tolerated, but for those of type 01xxxxxx', () => {
    const trailed = (...trailer: number[]): ClientRig => {
      const rig = qualified();
      return rig.receive(PEER_MAPPED, Uint8Array.from([...bubble(PEER, rig.address), ...trailer]));
    };
    for (const good of [
      [1, 4, 0xde, 0xad],
      [1, 4, 1, 2, 3, 4, 5],
      [0x80, 0],
      [2, 1, 0xaa],
      [1, 0xff, 0x40, 0],
    ]) {
      expect([...trailed(...good).machine.peers(0)]).toHaveLength(1);
    }
    expect([...trailed(0x40, 0).machine.peers(0)]).toHaveLength(0);
  });

  test('CL-8: link-local sources are good for bubbles only; group and our own are none', () => {
    const rig = qualified();
    for (const source of [RELAY_LINK_LOCAL, v6('ff02::1'), v6('::'), v6('::1'), rig.address]) {
      rig.receive(RELAY, data(source, rig.address));
    }
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedInvalidSource).toBe(5);
  });
});

describe('case 1: trusted peers', () => {
  test('CL-45, CL-47, CL-52: a direct bubble makes a peer trusted; its data is delivered, the bubble is not', () => {
    const rig = qualified().receive(PEER_MAPPED, bubble(PEER, qualified().address));
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    expect(rig.delivered).toEqual([]);
    rig.advance(5).receive(PEER_MAPPED, data(PEER, rig.address));
    expect(rig.delivered).toEqual([data(PEER, rig.address)]);
    const [peer] = [...rig.machine.peers(rig.now)];
    expect(peer).toMatchObject({
      mapped: PEER_MAPPED,
      trusted: true,
      lastReceivedMs: rig.now,
      state: 'valid',
    });
  });

  test('CL-47: data then goes straight to the peer, without bubbles', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear().send(rig.data(PEER));
    expect(rig.kinds).toEqual(['data 192.0.2.10:8192']);
  });

  test('CL-47, C-5, U-4: data from the pair in the address is enough; any flags; another flag is another peer', () => {
    const rig = qualified();
    for (const flags of [0, 0x8000, 0x3cff, 0x7fff]) {
      const peer = teredo(PEER_SERVER, PEER_MAPPED, flags);
      rig.receive(PEER_MAPPED, data(peer, rig.address));
    }
    expect(rig.delivered).toHaveLength(4);
    expect([...rig.machine.peers(rig.now)].filter(({ trusted }) => trusted)).toHaveLength(4);
  });

  test('C-7: a peer whose address embeds a private one is not believed', () => {
    const rig = qualified();
    const inside = at('10.0.0.9:1024');
    rig.receive(inside, data(teredo(PEER_SERVER, inside), rig.address));
    expect([...rig.machine.peers(rig.now)]).toEqual([]);
    expect(rig.delivered).toEqual([]);
  });
});

describe('case 2: connectivity tests', () => {
  function asked(): ClientRig {
    const rig = qualified();
    return rig.send(rig.data(NATIVE, 60)).send(rig.data(NATIVE, 61));
  }

  test('CL-46, CL-52: the reply makes the relay that brought it the way; the queue goes there, in order', () => {
    const rig = asked();
    rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    expect(rig.delivered).toEqual([]);
    expect(rig.all('data', RELAY).map(({ bytes }) => bytes.length)).toEqual([60, 61]);
    rig.clear().send(rig.data(NATIVE));
    expect(rig.kinds).toEqual(['data 192.0.2.200:3545']);
  });

  test('CL-46: a wrong nonce changes nothing', () => {
    const rig = asked();
    rig.receive(
      RELAY,
      echoReply(rig.find('test', PRIMARY), (nonce) => void (nonce[3] ^= 1)),
    );
    expect(rig.all('data')).toEqual([]);
    expect([...rig.machine.peers(rig.now)][0].trusted).toBe(false);
  });

  test('CL-46: a wrong checksum or length changes nothing', () => {
    const rig = asked();
    const reply = echoReply(rig.find('test', PRIMARY));
    reply[42] ^= 1;
    rig.receive(RELAY, reply);
    const { source, destination } = rig.find('test', PRIMARY);
    const longer = { source: destination, destination: source, hopLimit: 60, identifier: 1, sequence: 1 };
    rig.receive(RELAY, buildEchoReply({ ...longer, data: new Uint8Array(9) }));
    expect(rig.all('data')).toEqual([]);
  });

  test('CL-121: the reply to a test long over is ignored', () => {
    const rig = asked();
    const reply = echoReply(rig.find('test', PRIMARY));
    rig.advance(20_000).receive(RELAY, reply);
    expect(rig.machine.counters.consumedTestReplies).toBe(0);
    expect([...rig.machine.peers(rig.now)][0].trusted).toBe(false);
  });

  test('CL-46: a nonce is good once', () => {
    const rig = asked();
    const reply = echoReply(rig.find('test', PRIMARY));
    rig.receive(RELAY, reply).clear().receive(ELSEWHERE, reply).send(rig.data(NATIVE));
    expect(rig.all('data')[0].to(RELAY)).toBe(true);
  });

  test('A-19: a reply by way of the server itself, where that is a relay too', () => {
    const rig = asked();
    rig.receive(PRIMARY, echoReply(rig.find('test', PRIMARY)));
    expect(rig.all('data', PRIMARY)).toHaveLength(2);
  });

  test('CL-53: a trusted native peer speaking through another relay is tested, not followed, until that succeeds', () => {
    const rig = asked();
    rig
      .receive(RELAY, echoReply(rig.find('test', PRIMARY)))
      .advance(6_000)
      .clear();
    rig.receive(ELSEWHERE, data(NATIVE, rig.address));
    expect(rig.kinds).toEqual(['test 203.0.113.120:3544']);
    expect(rig.delivered).toHaveLength(1);
    rig.send(rig.data(NATIVE));
    expect(rig.all('data')[0].to(RELAY)).toBe(true);
    rig
      .receive(ELSEWHERE, echoReply(rig.find('test', PRIMARY)))
      .clear()
      .send(rig.data(NATIVE));
    expect(rig.kinds).toEqual(['data 198.18.0.1:1111']);
  });
});

describe('bubbles through the server', () => {
  test('CL-43, CL-51, CL-96: of a relay for a native host: a bubble to the origin, and a test', () => {
    const rig = qualified().receive(PRIMARY, withOrigin(RELAY, bubble(NATIVE, qualified().address)));
    rig.receive(PRIMARY, withOrigin(RELAY, bubble(NATIVE, rig.address)));
    expect(rig.kinds).toEqual(['bubble 192.0.2.200:3545', 'test 203.0.113.120:3544']);
    expect(rig.sent[0].source).toEqual(rig.address);
    expect(rig.sent[0].destination).toEqual(NATIVE);
    rig.receive(RELAY, echoReply(rig.sent[1])).clear().send(rig.data(NATIVE));
    expect(rig.kinds).toEqual(['data 192.0.2.200:3545']);
  });

  test('CL-51, CL-96: of a relay with a link-local source: the bubble goes back to just that, no test', () => {
    const rig = qualified();
    rig.receive(PRIMARY, withOrigin(RELAY, bubble(RELAY_LINK_LOCAL, rig.address)));
    expect(rig.kinds).toEqual(['bubble 192.0.2.200:3545']);
    expect(rig.sent[0].destination).toEqual(RELAY_LINK_LOCAL);
  });

  test('CL-51: of a client: a direct bubble to its mapped pair, with or without an origin', () => {
    for (const wrap of [(b: Uint8Array) => withOrigin(PEER_MAPPED, b), (b: Uint8Array) => b]) {
      const rig = qualified();
      rig.receive(PRIMARY, wrap(bubble(PEER, rig.address)));
      expect(rig.kinds).toEqual(['bubble 192.0.2.10:8192']);
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

  test('A-4: answers to one peer are 2 s apart, while ours is under way too', () => {
    const rig = qualified();
    rig.send(rig.data(PEER)).clear();
    for (let i = 0; i < 80; i++) {
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advance(50);
    }
    const replies = rig.all('bubble', PEER_MAPPED).map(({ time }) => time - 10_000);
    expect(replies.filter((time) => time % 2_000 === 0)).toEqual(replies);
    expect(rig.machine.counters).toMatchObject({ sentBubbleReplies: 3, suppressedBubbleReplies: 77 });
  });

  test('A-4: each attempt of a peer is answered, also one that comes early: 2 s after the answer before', () => {
    const rig = qualified();
    for (const gap of [1_600, 2_400, 1_990, 2_000]) {
      rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advance(gap);
    }
    expect(rig.all('bubble', PEER_MAPPED).map(({ time }) => time - 10_000)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(rig.machine.counters.suppressedBubbleReplies).toBe(0);
  });

  test('A-4, CL-4: an answer that waits is not sent once the service is gone', () => {
    const rig = qualified();
    rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address))).advance(1_700);
    rig.receive(PRIMARY, withOrigin(PEER_MAPPED, bubble(PEER, rig.address)));
    rig.machine.stop(rig.now);
    rig.drain().clear().advance(5_000);
    expect(rig.sent).toEqual([]);
  });

  test('CL-44: an origin from anybody but the server is never used', () => {
    const rig = qualified();
    for (const from of [ELSEWHERE, at('203.0.113.120:3545'), at('203.0.113.121:3544'), RELAY]) {
      rig.receive(from, withOrigin(at('198.51.100.77:7777'), bubble(NATIVE, rig.address)));
      rig.receive(from, withOrigin(at('198.51.100.77:7777'), bubble(PEER, rig.address)));
    }
    expect(rig.sent).toEqual([]);
  });

  test('bubbles aimed at one IPv4 address are limited', () => {
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

describe('case 6: the unverified', () => {
  test('CL-50, CL-122, A-25: delivered and tested; the answer waits for the test', () => {
    const rig = qualified();
    rig.receive(RELAY, echoRequest(NATIVE, rig.address));
    expect(rig.delivered).toHaveLength(1);
    expect(rig.kinds).toEqual(['test 203.0.113.120:3544']);
    rig.send(rig.data(NATIVE));
    expect(rig.all('data')).toEqual([]);
    rig.receive(RELAY, echoReply(rig.sent[0]));
    expect(rig.all('data', RELAY)).toHaveLength(1);
  });

  test('A-19: an echo request that the server forwards is delivered', () => {
    const rig = qualified();
    rig.receive(PRIMARY, echoRequest(NATIVE, rig.address));
    expect(rig.delivered).toHaveLength(1);
  });

  test('a Teredo source from another place than its address says is not believed', () => {
    const rig = qualified();
    rig.receive(ELSEWHERE, data(PEER, rig.address)).receive(ELSEWHERE, bubble(PEER, rig.address));
    expect([rig.delivered, rig.sent, [...rig.machine.peers(0)]]).toEqual([[], [], []]);
    expect(rig.machine.counters.droppedForgedSource).toBe(2);
  });

  test('CL-53: nor does it take a trusted peer over, or silence it', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
    rig.receive(ELSEWHERE, data(PEER, rig.address)).receive(ELSEWHERE, bubble(PEER, rig.address));
    rig.send(rig.data(PEER));
    expect(rig.kinds).toEqual(['data 192.0.2.10:8192']);
  });

  test('CL-124: tests that outsiders provoke are limited altogether', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) {
      rig.receive(RELAY, data(native(i), rig.address));
      rig.advance(1);
    }
    expect(rig.all('test').length).toBeLessThanOrEqual(61);
    expect(rig.delivered).toHaveLength(1_000);
  });
});

describe('A-25: strict', () => {
  const strict = (): ClientRig => qualified({ strictUnverified: true });

  test('packets wait for the test of their source, and are delivered in order', () => {
    const rig = strict();
    rig.receive(RELAY, data(NATIVE, rig.address, 60)).receive(RELAY, data(NATIVE, rig.address, 61));
    expect([rig.delivered, rig.kinds]).toEqual([[], ['test 203.0.113.120:3544']]);
    rig.receive(RELAY, echoReply(rig.sent[0])).receive(RELAY, data(NATIVE, rig.address, 62));
    expect(rig.delivered.map(({ length }) => length)).toEqual([60, 61, 62]);
    expect(rig.machine.counters.droppedUnverified).toBe(0);
  });

  test('so do those that the server forwards for a relay', () => {
    const rig = strict();
    rig.receive(PRIMARY, withOrigin(RELAY, echoRequest(NATIVE, rig.address)));
    rig.receive(RELAY, echoReply(rig.find('test', PRIMARY)));
    expect(rig.delivered).toHaveLength(1);
  });

  test('what came from elsewhere than the answer is forged, and dropped', () => {
    const rig = strict();
    rig.receive(ELSEWHERE, data(NATIVE, rig.address)).receive(RELAY, data(NATIVE, rig.address, 61));
    rig.receive(RELAY, echoReply(rig.sent[0]));
    expect(rig.delivered.map(({ length }) => length)).toEqual([61]);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
  });

  test('without an answer they are dropped, and counted', () => {
    const rig = strict();
    rig.receive(RELAY, data(NATIVE, rig.address));
    const [first] = rig.sent;
    rig.advance(8_000);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
    expect(rig.receive(RELAY, echoReply(first)).delivered).toEqual([]);
  });

  test('what waits is bounded: for each source, altogether, and by the tests that are sent', () => {
    const rig = strict();
    for (let i = 0; i < 100; i++) rig.receive(RELAY, data(NATIVE, rig.address));
    expect(rig.receive(RELAY, echoReply(rig.sent[0])).delivered).toHaveLength(8);
    const held = { packetsPerPeer: 8, bytesPerPeer: 1_000, bytes: 150 };
    const narrow = qualified({ strictUnverified: true, limits: { held } });
    for (let i = 0; i < 100; i++) narrow.receive(RELAY, data(native(i), narrow.address));
    for (const test of narrow.all('test')) narrow.receive(RELAY, echoReply(test));
    expect(narrow.all('test')).toHaveLength(50);
    expect(narrow.delivered).toHaveLength(2);
  });

  test('what waits is gone with the address', () => {
    const rig = strict();
    rig.receive(RELAY, data(NATIVE, rig.address));
    rig.machine.stop(rig.now);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
  });
});

describe('CL-6: the list of peers is bounded', () => {
  test('by invented native and Teredo sources, and a recent peer stays direct', () => {
    const limits = { trustedPeers: 500, unverifiedPeers: 100 };
    const rig = qualified({ limits });
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    for (let i = 0; i < 3_000; i++) {
      const pair = { address: 0x01020304 + i, port: 4_000 };
      rig.receive(pair, data(teredo(PEER_SERVER, pair), rig.address));
      rig.receive(RELAY, data(native(i), rig.address));
      rig.now += 1;
    }
    expect([...rig.machine.peers(rig.now)].length).toBeLessThanOrEqual(600);
    rig.clear().send(rig.data(PEER));
    expect(rig.all('data', PEER_MAPPED)).toHaveLength(1);
  });

  test('a contact under way survives a flood', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE));
    const test = rig.find('test', PRIMARY);
    for (let i = 0; i < 20_000; i++) {
      const pair = { address: 0x01020304 + i, port: 4_000 };
      rig.receive(PRIMARY, withOrigin(pair, bubble(teredo(PEER_SERVER, pair), rig.address)));
      rig.receive(RELAY, data(native(i), rig.address));
      rig.clear();
    }
    rig.receive(RELAY, echoReply(test));
    expect(rig.all('data', RELAY)).toHaveLength(1);
  });

  test('peers long silent are forgotten', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    rig.advanceServed(320_000);
    expect([...rig.machine.peers(rig.now)]).toEqual([]);
    expect(rig.machine.mapped).toEqual(MAPPED);
  });
});

function native(i: number): Ipv6 {
  return v6(`2001:db8:${(i >>> 12).toString(16)}:${(i & 0xfff).toString(16)}::1`);
}
