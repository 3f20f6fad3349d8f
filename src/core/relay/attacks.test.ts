import { describe, expect, test } from 'vitest';
import { reached } from '../../../test/support/limit-hits.ts';
import { MAPPED, PRIMARY, at, teredo, v4, v6 } from '../../../test/support/client-rig.ts';
import type { Sent } from '../../../test/support/client-rig.ts';
import { IS_ALL, everyNth } from '../../../test/support/extent.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import { RelayRig, pairOf } from '../../../test/support/relay-rig.ts';
import { buildBubble, makeTeredoAddress, toHex, writeUint32 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { RELAY_LIMITS } from './index.ts';

const CLIENT = teredo(PRIMARY, MAPPED);
const NONE = { perSecond: 0, burst: 0 };
const NOTHING = { shared: NONE, member: NONE, reserve: NONE };
const NATIVE = v6('2001:db8::1');
const NEIGHBOUR = v6('2001:db8::666');
const ATTACKER = v6('2001:db8:666::1');
const OTHER_SERVER = at('198.51.100.118:3544');

/** The `n`th invented client of a server. */
const invented = (n: number, server = PRIMARY): Ipv6 =>
  makeTeredoAddress({ server: server.address, flags: 0, mappedAddress: 0x08000000 + n, mappedPort: 4_096 });

/** The `n`th host of the `n`th /64. */
function spoofed(n: number): Ipv6 {
  const address = v6('2620:1::1');
  writeUint32(address, 4, Math.imul(n, 0x9e3779b1));
  return address;
}

/** A host of the /64 with these two words. */
function ofNetwork(high: number, low: number): Ipv6 {
  const address = v6('::1');
  writeUint32(address, 0, high);
  writeUint32(address, 4, low);
  return address;
}

/** A contact whose bubble is answered at once. */
function contact(rig: RelayRig, native: Ipv6, client: Ipv6): boolean {
  const before = rig.bubbles.length;
  rig.toClient(native, client);
  const bubble = rig.bubbles[before];
  if (bubble === undefined) return false;
  rig.advance(100).answer(bubble);
  return rig.isTrusted(client);
}

describe('100,000 destinations from one source: R-31, H-9', () => {
  function attack(source: (n: number) => Ipv6, server = PRIMARY) {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (let n = 0; n < 100_000; n++) {
      rig.toClient(source(n), invented(n, server));
      if (n % 100 === 0) rig.advance(10);
    }
    return rig;
  }

  test('uses up the budget of its /64: 256, then 16 a second, repetitions included', () => {
    const rig = attack(() => ATTACKER);
    expect(rig.bubbles.length).toBeLessThan(256 + 16 * 10 + 100);
    expect(rig.machine.counters.droppedSourceLimit).toBeGreaterThan(98_000);
    rig.advance(4_000); // packets that still wait get no contact
    expect(rig.bubbles.length).toBeLessThan(256 + 16 * 14 + 100);
    expect(rig.machine.peers.unverifiedCount).toBeLessThan(600);
    expect(rig.machine.counters.droppedSourceLimit).toBeGreaterThan(99_000);
    expect(reached(rig.machine, 'by-source')).toEqual([
      rig.machine.counters.droppedSourceLimit,
      toHex(ATTACKER.subarray(0, 8)),
    ]);
  });

  test('does not affect the traffic of others in both directions, nor their new contacts through the same server', () => {
    const rig = attack(() => ATTACKER).clear();
    rig.toClient(NATIVE, CLIENT).fromClient(CLIENT, NATIVE);
    expect([rig.data.length, rig.delivered.length]).toEqual([1, 1]);
    for (let n = 0; n < 50; n++) expect(contact(rig, NATIVE, invented(200_000 + n))).toBe(true);
  });

  test("leaves another host in the attacker's /64 a new contact from time to time", () => {
    const rig = attack(() => NEIGHBOUR);
    for (let n = 0; n < 10; n++) {
      rig.advance(2_000);
      for (let i = 0; i < 1_000; i++) rig.toClient(NEIGHBOUR, invented(300_000 + n * 1_000 + i));
      expect(contact(rig, NATIVE, invented(200_000 + n))).toBe(true);
    }
  });

  test.runIf(IS_ALL)(
    'from ten /64s through one server, whose budget they use up: others use its reserve',
    () => {
      const rig = attack((n) => {
        const source = v6('2001:db8:600::1');
        source[7] = n % 10;
        return source;
      });
      const bubbles = rig.bubbles.length;
      expect(bubbles).toBeLessThan(1_000 + 100 * 10 + 600);
      let made = 0;
      for (let round = 0; round < 10; round++) {
        for (let n = 0; n < 2_000; n++) {
          const source = v6('2001:db8:600::1');
          source[7] = n % 10;
          rig.toClient(source, invented(400_000 + round * 2_000 + n));
        }
        if (contact(rig, NATIVE, invented(200_000 + round))) made++;
        rig.advance(1_900);
      }
      expect(made).toBe(10);
    },
  );

  test('from as many /64s as destinations: trusted peers stay; memory and bubbles to a server are limited', () => {
    const rig = attack(spoofed);
    expect(rig.machine.peers.unverifiedCount).toBeLessThanOrEqual(1 << 16);
    expect(rig.bubbles.length).toBeLessThan(1_500 + 150 * 11);
    rig.clear().toClient(NATIVE, CLIENT).fromClient(CLIENT, NATIVE);
    expect([rig.data.length, rig.delivered.length]).toEqual([1, 1]);
    for (let n = 0; n < 50; n++) expect(contact(rig, NATIVE, invented(200_000 + n, OTHER_SERVER))).toBe(true);
  });

  const NETWORKS = [
    ['a /48, always from a new /64', (n: number): Ipv6 => ofNetwork(0x20010db8, 0x06000000 + (n & 0xffff))],
    [
      'ten /48s, always from a new /64',
      (n: number): Ipv6 => ofNetwork(0x20010db8, ((n % 10) << 16) + (n & 0xffff)),
    ],
    ['a /32, always from a new /48', (n: number): Ipv6 => ofNetwork(0x26200001, (n & 0xffff) << 16)],
  ] as const;

  test.each(everyNth(3, NETWORKS))(
    'from %s: other networks still get new contacts through the same server',
    (_, source) => {
      const rig = attack(source);
      expect(rig.bubbles.length).toBeLessThan(1_500 + 150 * 11);
      let made = 0;
      for (let round = 0; round < 20; round++) {
        for (let n = 0; n < 1_000; n++)
          rig.toClient(source(round * 1_000 + n), invented(400_000 + round * 1_000 + n));
        if (contact(rig, ofNetwork(0x2a000001 + round, 0), invented(200_000 + round))) made++;
        rig.clear().advance(900);
      }
      expect(made).toBe(20);
    },
  );

  test('that push an honest contact out of the table: its answer is still accepted', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    const [bubble] = rig.bubbles;
    for (let n = 0; n < 70_000; n++) rig.toClient(spoofed(n), invented(n, OTHER_SERVER));
    expect(rig.isKnown(CLIENT)).toBe(false);
    expect(rig.machine.counters.droppedEvicted).toBeGreaterThan(0);
    rig.answer(bubble);
    expect(rig.isTrusted(CLIENT)).toBe(true);
    expect(rig.clear().toClient(NATIVE, CLIENT).data.length).toBe(1);
  });
});

describe('answered traffic earns its budget', () => {
  test('a busy native host contacts 5,000 clients a second while they answer', () => {
    const rig = new RelayRig();
    let failed = 0;
    for (let n = 0; n < 20_000; n++) {
      const client = invented(n);
      rig.toClient(NATIVE, client);
      const bubble = rig.bubbles.at(-1);
      if (bubble === undefined) failed++;
      else rig.answer(bubble);
      if (!rig.isTrusted(client)) failed++;
      rig.clear();
      if (n % 5 === 0) rig.advance(1);
    }
    expect(failed).toBe(0);
  });

  test('unanswered traffic does not: a tenth of mute clients costs nothing, only mute ones use up the budget', () => {
    const rig = new RelayRig();
    for (let n = 0; n < 5_000; n++) {
      rig.clear().toClient(NATIVE, invented(n));
      if (n % 10 !== 0 && rig.bubbles.length > 0) rig.answer(rig.bubbles[0]);
      if (n % 5 === 0) rig.advance(1);
    }
    expect(rig.machine.counters.droppedSourceLimit).toBe(0);
  });

  /** Makes 1,000 contacts a second that are answered at once, each from another one of `sources` /64s. */
  function earn(rig: RelayRig, seconds: number, sources = 1): void {
    for (let n = 0; n < seconds * 1_000; n++) {
      const source = Uint8Array.from(ATTACKER);
      source[7] = n % sources;
      rig.clear().toClient(source, invented(n));
      if (rig.bubbles.length > 0) rig.answer(rig.bubbles[0]);
      rig.advance(1);
    }
    rig.clear();
  }

  test('answers earn a /64 1,024 bubbles to mute clients, not one for each answer', () => {
    const rig = new RelayRig();
    earn(rig, 20);
    for (let n = 0; n < 20_000; n++) rig.toClient(ATTACKER, invented(1_000_000 + n));
    expect(rig.bubbles.length).toBeLessThanOrEqual(1_024 + 4);
  });

  test.runIf(IS_ALL)('many /64s together earn no more than 4,000 through one server', () => {
    const rig = new RelayRig();
    earn(rig, 20, 256);
    for (let n = 0; n < 20_000; n++) rig.toClient(spoofed(n), invented(1_000_000 + n));
    expect(rig.bubbles.length).toBeLessThanOrEqual(4_000 + 500);
  });

  test('beside 1,000 a second that answer, 1,024 bubbles go to mute clients at first, then 80 a second', () => {
    const rig = new RelayRig();
    const isMute = (bubble: Sent): boolean => pairOf(bubble.destination).address >= 0x08000000 + 1_000_000;
    let mute = 0;
    for (let n = 0; n < 20_000; n++) {
      rig.toClient(ATTACKER, invented(n));
      if (n % 5 === 0) rig.toClient(ATTACKER, invented(1_000_000 + n));
      const { bubbles } = rig.advance(1);
      rig.clear();
      for (const bubble of bubbles) {
        if (isMute(bubble)) mute++;
        else rig.answer(bubble);
      }
    }
    expect(mute).toBeLessThan(1_024 + 20 * 80 + 64 + 20 * 8);
  });

  test('10,000 clients of a carrier NAT, on one server, are reached by one host within seconds', () => {
    const rig = new RelayRig({ directBubbles: true });
    const client = (n: number): Ipv6 => teredo(PRIMARY, { address: MAPPED.address, port: 1_024 + n });
    for (let ms = 0; ms < 5_000; ms++) {
      for (let n = (ms % 1_000) * 10; n < (ms % 1_000) * 10 + 10; n++) rig.toClient(NATIVE, client(n));
      if (ms % 100 === 0) {
        const throughServer = rig.bubbles.filter(({ address }) => address === PRIMARY.address);
        rig.clear();
        for (const bubble of throughServer) rig.answer(bubble);
      }
      rig.advance(1);
    }
    const reached = Array.from({ length: 10_000 }, (_, n) => n).filter((n) => rig.isTrusted(client(n)));
    expect(reached.length).toBe(10_000);
  });
});

describe('one host sends to many new clients at once', () => {
  /** Each client answers 50 ms after its bubble. */
  function meet(clients: number, answers: (n: number) => boolean): RelayRig {
    const rig = new RelayRig();
    for (let n = 0; n < clients; n++) rig.toClient(NATIVE, invented(n));
    for (let step = 0, answered = 0; step < 40; step++) {
      rig.advance(50);
      const { bubbles } = rig;
      for (; answered < bubbles.length; answered++) if (answers(answered)) rig.answer(bubbles[answered]);
    }
    return rig;
  }

  test('500 that answer: no packet is lost, and each client gets one bubble', () => {
    const rig = meet(500, () => true);
    expect([rig.data.length, rig.bubbles.length]).toEqual([500, 500]);
    expect(rig.machine.counters.droppedSourceLimit).toBe(0);
  });

  test('waiting packets are sent once and in order', () => {
    const rig = new RelayRig();
    for (let n = 0; n < 300; n++) rig.toClient(NATIVE, invented(n));
    for (let length = 1; length <= 3; length++) rig.toClient(NATIVE, CLIENT, length);
    for (const bubble of rig.bubbles) rig.answer(bubble);
    const last = rig.bubbles.at(-1)!;
    expect(last.destination).toEqual(CLIENT);
    rig.clear().answer(last);
    expect(rig.data.map(({ bytes }) => bytes.length - 40)).toEqual([1, 2, 3]);
  });

  test('mute clients: waiting packets are served at 16 bubbles a second, and dropped after 4 s', () => {
    const rig = new RelayRig();
    for (let n = 0; n < 1_000; n++) rig.toClient(NATIVE, invented(n));
    expect(rig.bubbles.length).toBe(260);
    rig.advance(1_900);
    expect(rig.bubbles.length).toBeGreaterThan(280);
    expect(rig.bubbles.length).toBeLessThan(300);
    rig.advance(2_100);
    expect(rig.machine.counters.droppedSourceLimit).toBeGreaterThan(600);
    rig.advance(60_000);
    const { contactsBegun, droppedSourceLimit, droppedNoAnswer } = rig.machine.counters;
    expect(contactsBegun).toBe(droppedNoAnswer);
    expect(droppedSourceLimit).toBeGreaterThanOrEqual(1_000 - contactsBegun);
  });

  test('packets to known clients are sent at once, before those that wait', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (let n = 0; n < 1_000; n++) rig.toClient(NATIVE, invented(n));
    expect(rig.clear().toClient(NATIVE, CLIENT).data.length).toBe(1);
  });

  test('waiting packets are limited, for each /64 and in total', () => {
    const waiting = { packetsPerSource: 10, bytesPerSource: 1_000, packets: 25, bytes: 10_000 };
    const rig = new RelayRig({ limits: { ...RELAY_LIMITS, waiting, bySource: NOTHING } });
    for (let n = 0; n < 100; n++) rig.toClient(NATIVE, invented(n));
    expect(rig.machine.counters.droppedSourceLimit).toBe(90);
    for (let n = 0; n < 100; n++) rig.toClient(spoofed(n + 1), invented(n));
    expect(rig.machine.counters.droppedSourceLimit).toBe(175);
    rig.advance(4_000);
    expect(rig.machine.counters.droppedSourceLimit).toBe(200);
    expect(rig.bubbles).toEqual([]);
  });
});

describe('third parties', () => {
  test('one server address gets 1,000 bubbles at once, then 100 a second, and a few from the reserve', () => {
    const rig = new RelayRig();
    for (let ms = 0; ms < 10_000; ms++) {
      for (let i = 0; i < 5; i++) rig.toClient(spoofed(ms * 5 + i), invented(ms * 5 + i));
      rig.advance(1);
    }
    expect(rig.bubbles.length).toBeLessThan(1_000 + 500 + 10 * 150 + 10);
  });

  test('direct bubbles to one mapped address: 100 at once and 10 a second', () => {
    const rig = new RelayRig({ directBubbles: true });
    for (let n = 1; n < 5_000; n++) {
      const server = { address: v4('203.0.113.1') + n * 256, port: 3_544 };
      rig.toClient(spoofed(n), teredo(server, { address: MAPPED.address, port: n })).advance(1);
    }
    expect(rig.sent.filter(({ address }) => address === MAPPED.address).length).toBeLessThan(100 + 60);
  });

  test.each([
    ['one /64', () => ATTACKER],
    ['ten /48s', (n: number) => ofNetwork(0x20010db8, (0x600 + (n % 10)) << 16)],
    ['ever new /48s of one /32', (n: number) => ofNetwork(0x26200001, (n & 0xffff) << 16)],
  ])(
    'direct bubbles to invented clients behind one address, wanted by %s: others have theirs',
    (_, source) => {
      const rig = new RelayRig({ directBubbles: true });
      const client = (port: number) => teredo(PRIMARY, { address: MAPPED.address, port });
      let direct = 0;
      for (let n = 0; n < 6_000; n++) {
        rig.toClient(source(n), client(1 + n)).advance(10);
        if (n < 2_000 || n % 1_000 !== 0) continue;
        rig.clear().toClient(NATIVE, client(60_000 + n / 1_000));
        direct += rig.bubbles.filter(({ address }) => address === MAPPED.address).length;
      }
      expect(direct).toBe(4);
    },
  );

  test('ICMPv6 errors to one /64: 20 at once and 10 a second', () => {
    const rig = new RelayRig();
    for (let n = 0; n < 10_000; n++) rig.toClient(NATIVE, CLIENT, 1_400).advance(1);
    expect(rig.delivered.length).toBeLessThan(125);
  });

  test('floods of forged bubbles and data change only counters', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (let n = 0; n < 20_000; n++) {
      const client = invented(n);
      const from = { address: 0x08000000 + n, port: 4_096 };
      rig.receive(from, buildBubble(client, v6('fe80::1:2:3:4'), 21)).fromClient(client, NATIVE);
    }
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect([...rig.machine.peers].length).toBe(1);
    expect(rig.machine.counters.droppedUnsolicited).toBe(40_000);
  });
});

test('clients of one address that answer cannot push the others out of the table', () => {
  const limits = { trusted: 2_000, unverified: 500 };
  const rig = rigWithPeers(limits);
  for (let n = 0; n < 10_000; n++) {
    const client = makeTeredoAddress({
      server: OTHER_SERVER.address,
      flags: n & 0xff,
      mappedAddress: v4('198.51.100.66'),
      mappedPort: 1 + (n >> 8),
    });
    rig.clear().toClient(ATTACKER, client);
    if (rig.bubbles.length > 0) rig.answer(rig.bubbles[0]);
    rig.advance(1);
  }
  expect(rig.machine.peers.trustedCount).toBe(2_000);
  rig.clear();
  for (let n = 0; n < 200; n++) expect(contact(rig.clear(), NATIVE, invented(n))).toBe(true);
  for (let n = 0; n < 200; n++) expect(rig.isTrusted(invented(n))).toBe(true);
});

function rigWithPeers(peers: { trusted: number; unverified: number }): RelayRig {
  return new RelayRig({ limits: { ...RELAY_LIMITS, peers } });
}

describe('a client that was away for a moment, whose four bubbles others have used up', () => {
  const CLIENT_AWAY = invented(1);
  const PAIR = pairOf(CLIENT_AWAY);
  const STRANGER = at('198.51.100.66:6666');
  const toOther = (source: Ipv6, target = invented(2)): Uint8Array => packetOf(source, target, 8);

  /** After 30 s of packets of one host. */
  function away(rig = new RelayRig()): RelayRig {
    for (let i = 0; i < 300; i++) rig.toClient(ATTACKER, CLIENT_AWAY).advance(100);
    expect(rig.bubbles.length).toBe(4);
    return rig.clear();
  }

  test('is reached by another /64 at once, and so by all that ask meanwhile', () => {
    const rig = away().toClient(NATIVE, CLIENT_AWAY).toClient(ATTACKER, CLIENT_AWAY);
    expect(rig.bubbles.length).toBe(1);
    rig.answer(rig.bubbles[0]);
    expect(rig.data.map(({ source }) => source)).toEqual([NATIVE, ATTACKER]);
  });

  test('not by the same /64: one alone has 4 in 300 s', () => {
    const rig = away();
    for (let i = 0; i < 250; i++) rig.toClient(v6('2001:db8:666::2'), CLIENT_AWAY).advance(1_000);
    expect(rig.bubbles).toEqual([]);
  });

  test('R-33: a mute client has no more than a bubble in 10 s beside the 4 in 300 s, however many want it', () => {
    const rig = new RelayRig();
    for (let i = 0; i < 3_000; i++) rig.toClient(spoofed(i), CLIENT_AWAY).advance(100);
    const times = rig.bubbles.map(({ time }) => (time - 10_000) / 1_000);
    expect(times.slice(0, 6)).toEqual([0, 2, 4, 6, 16, 26]);
    expect(times.length).toBeLessThanOrEqual(34);
  });

  test('whatever others do, is reached within 10 s of its return', () => {
    const rig = new RelayRig();
    for (let i = 0; i < 600; i++) rig.toClient(spoofed(i), CLIENT_AWAY).advance(100);
    rig.clear();
    for (let i = 0; i < 110; i++) {
      rig.toClient(spoofed(i), CLIENT_AWAY).toClient(NATIVE, CLIENT_AWAY).advance(100);
      for (const bubble of rig.bubbles) rig.answer(bubble);
      if (rig.data.length > 0) break;
    }
    expect(rig.data.map(({ source }) => source)).toContainEqual(NATIVE);
  });

  test('with --meet: comes in by itself, though an IPv4 host has sent in its name', () => {
    const rig = new RelayRig({ meet: true });
    for (let i = 0; i < 300; i++) rig.receive(STRANGER, toOther(CLIENT_AWAY)).advance(100);
    expect(rig.bubbles.length).toBe(4);
    rig.clear().receive(PAIR, toOther(CLIENT_AWAY));
    expect(rig.bubbles.length).toBe(1);
    expect(rig.answer(rig.bubbles[0]).isTrusted(CLIENT_AWAY)).toBe(true);
  });

  test('with --meet: so does one behind a symmetric NAT, and native hosts reach it', () => {
    for (const come of [
      (rig: RelayRig) => rig.receive(at('192.0.2.77:1234'), toOther(CLIENT_AWAY)),
      (rig: RelayRig) => rig.toClient(NATIVE, CLIENT_AWAY),
    ]) {
      const rig = new RelayRig({ meet: true });
      for (let i = 0; i < 300; i++) rig.receive(STRANGER, toOther(CLIENT_AWAY)).advance(100);
      come(rig.clear());
      expect(rig.bubbles.length).toBe(1);
    }
  });

  test('with --meet: the sender at its pair gets one in 10 s for it', () => {
    const rig = new RelayRig({ meet: true });
    for (let i = 0; i < 300; i++) rig.receive(PAIR, toOther(CLIENT_AWAY)).advance(100);
    const times = rig.bubbles.map(({ time }) => (time - 10_000) / 1_000);
    expect(times).toEqual([0, 2, 4, 6, 16, 26]);
  });
});

test('networks that have used up their part of a server keep no others from a client by contacts without bubbles', () => {
  const rig = new RelayRig();
  const source = (n: number): Ipv6 => ofNetwork(0x20010db8, 0x06000000 + (n % 400));
  for (let n = 0; n < 8_000; n++) rig.toClient(source(n), invented(1_000 + n)).advance(1);
  const honest = v6('2620:5::1');
  let [held, made] = [0, 0];
  for (let n = 0; n < 20; n++) {
    const before = rig.bubbles.length;
    rig.toClient(source(n), invented(n));
    if (rig.bubbles.length === before) held++;
    else continue;
    if (contact(rig, honest, invented(n))) made++;
    rig.advance(100);
  }
  expect(held).toBeGreaterThan(5);
  expect(made).toBe(held);
});
