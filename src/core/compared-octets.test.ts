/**
 * Changes each octet, one at a time, of every nonce, key and address that is compared: a comparison that is missing or too short
 * fails here. Also tested: nonce 0, and which peer may send to which socket.
 */
import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  LOCAL,
  MAPPED,
  NATIVE,
  PEER_MAPPED,
  PRIMARY,
  RELAY,
  SECONDARY,
  at,
  bubble,
  data,
  echoReply,
  teredo,
  v6,
  withOrigin,
} from '../../test/support/client-rig.ts';
import type { AnswerOptions, Sent } from '../../test/support/client-rig.ts';
import { A, A_MAPPED, A_NONCE, A_SERVER, NatRig } from '../../test/support/nat-rig.ts';
import { RelayRig, pairOf } from '../../test/support/relay-rig.ts';
import { ServerRig, solicitation } from '../../test/support/server-rig.ts';
import { buildBubble, readUint16, readUint32, writeUint16, writeUint32 } from '../wire/index.ts';
import { sealIcmpv6 } from '../wire/icmpv6.ts';
import type { Endpoint, Ipv6 } from '../wire/index.ts';

/** `bytes` with one octet changed, for each octet from `from` on. */
function flips(bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array[] {
  return Array.from({ length: to - from }, (_, i) => {
    const copy = bytes.slice();
    copy[from + i]! ^= 1;
    return copy;
  });
}

/** The same for an endpoint: four octets of the address, two of the port. */
function otherPairs({ address, port }: Endpoint): Endpoint[] {
  const bytes = new Uint8Array(6);
  writeUint32(bytes, 0, address);
  writeUint16(bytes, 4, port);
  return flips(bytes).map((b) => ({ address: readUint32(b, 0), port: readUint16(b, 4) }));
}

/** The same for a number of 32 bits. */
function otherNumbers(number: number): number[] {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, number);
  return flips(bytes).map((b) => readUint32(b, 0));
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const SECRET = { clientId: ascii('client-1'), secret: ascii('s3cret') };

/** Whether the answer of the primary address was accepted: the client then asks the secondary address. */
function believes(options: AnswerOptions, secret?: typeof SECRET): boolean {
  const rig = new ClientRig(secret === undefined ? {} : { secret }).start();
  rig.answer(rig.sent[0]!, options);
  return rig.all('solicitation', SECONDARY).length > 0;
}

const asked = (): Sent => new ClientRig().start().sent[0]!;
const resealed = (packet: Uint8Array): Uint8Array => {
  sealIcmpv6(packet, 0);
  return packet;
};

describe('an advertisement', () => {
  test('is accepted if every octet is right', () => {
    expect(believes({})).toBe(true);
    expect(believes(SECRET, SECRET)).toBe(true);
  });

  test("CL-32: each octet of the solicitation's nonce counts", () => {
    const nonces = flips(asked().nonce);
    expect(nonces.map((nonce) => believes({ nonce }))).toEqual(nonces.map(() => false));
    expect(nonces).toHaveLength(8);
  });

  test('CL-32: with a key each octet of the nonce counts, too, although the nonce is signed', () => {
    const { nonce } = new ClientRig({ secret: SECRET }).start().sent[0]!;
    for (const other of flips(nonce)) expect(believes({ ...SECRET, nonce: other }, SECRET)).toBe(false);
  });

  test('CL-16: each octet of its destination counts', () => {
    for (const destination of flips(asked().source)) expect(believes({ destination })).toBe(false);
  });

  test("CL-18: each octet of the prefix counts, the server's address among them", () => {
    for (let octet = 72; octet < 80; octet++) {
      const packet = (p: Uint8Array): Uint8Array => {
        p[octet]! ^= 1;
        return resealed(p);
      };
      expect([octet, believes({ packet })]).toEqual([octet, false]);
    }
  });

  test("A-20: each octet of the server's address and port counts", () => {
    for (const from of otherPairs(PRIMARY)) expect(believes({ from })).toBe(false);
  });

  test('CL-36, CL-37: each octet of the identifier, of the signature and of the signed data counts', () => {
    for (const clientId of flips(SECRET.clientId))
      expect(believes({ ...SECRET, clientId }, SECRET)).toBe(false);
    for (const secret of flips(SECRET.secret)) expect(believes({ ...SECRET, secret }, SECRET)).toBe(false);
    // Header of 4, identifier of 8, then 20 octets of signature, nonce and confirmation, origin.
    for (let octet = 12; octet < 12 + 20 + 9 + 8; octet++)
      expect([octet, believes({ ...SECRET, spoil: (b) => void (b[octet]! ^= 1) }, SECRET)]).toEqual([
        octet,
        false,
      ]);
  });

  test('is accepted with any low 64 bits in its prefix: those of Windows servers are not zero', () => {
    const packet = (p: Uint8Array): Uint8Array => {
      p.fill(0xa5, 80, 88);
      return resealed(p);
    };
    expect(believes({ packet })).toBe(true);
  });
});

describe("a connectivity test's reply", () => {
  const sought = (): ClientRig => {
    const rig = new ClientRig().qualify();
    return rig.send(rig.data(NATIVE));
  };
  const isTrustedBy = (change: (rig: ClientRig) => Uint8Array): boolean => {
    const rig = sought();
    rig.receive(RELAY, change(rig));
    return [...rig.machine.peers(rig.now)][0]!.trusted;
  };
  const reply = (rig: ClientRig): Uint8Array => echoReply(rig.find('test', PRIMARY));

  test('makes the relay the route to the host if every octet is right', () => {
    expect(isTrustedBy(reply)).toBe(true);
  });

  test('CL-46: each octet of its nonce counts', () => {
    for (let octet = 0; octet < 8; octet++) {
      const change = (nonce: Uint8Array): void => void (nonce[octet]! ^= 1);
      expect([octet, isTrustedBy((rig) => echoReply(rig.find('test', PRIMARY), change))]).toEqual([
        octet,
        false,
      ]);
    }
  });

  test.each([
    ['type', 40],
    ['code', 41],
  ])('CL-46: its %s counts', (_what, octet) => {
    const change = (rig: ClientRig): Uint8Array => {
      const packet = reply(rig);
      packet[octet]! ^= 1;
      return resealed(packet);
    };
    expect(isTrustedBy(change)).toBe(false);
  });

  test('CL-46: each octet of its source and destination counts', () => {
    for (let octet = 8; octet < 40; octet++) {
      const change = (rig: ClientRig): Uint8Array => {
        const packet = reply(rig);
        packet[octet]! ^= 1;
        return resealed(packet);
      };
      expect([octet, isTrustedBy(change)]).toEqual([octet, false]);
    }
  });
});

describe('a direct bubble', () => {
  const ELSEWHERE = at('192.0.2.1:5000');
  const sought = (): NatRig => {
    const rig = new NatRig('restricted');
    return rig.send(data(rig.address, A)) as NatRig;
  };

  test('E-27, E-28: each octet of the nonce counts', () => {
    const rig = sought();
    for (const nonce of otherNumbers(rig.nonce)) rig.direct(ELSEWHERE, { nonce });
    expect(rig.trusted).toBe(false);
    expect(rig.machine.counters.droppedForgedSource).toBe(4);
    expect(rig.direct(ELSEWHERE, { nonce: rig.nonce }).trusted).toBe(true);
  });

  test('E-27, E-28: each octet of the previous nonce counts', () => {
    const rig = sought();
    const first = rig.nonce;
    rig.pass(2_000);
    for (const nonce of otherNumbers(first)) rig.direct(ELSEWHERE, { nonce });
    expect(rig.trusted).toBe(false);
    expect(rig.direct(ELSEWHERE, { nonce: first }).trusted).toBe(true);
  });

  test('E-28, E-32: nonce 0 proves nothing: neither after one indirect bubble nor before the first', () => {
    const rig = sought();
    expect(rig.all('bubble', A_SERVER)).toHaveLength(1); // there is no previous nonce
    rig.direct(ELSEWHERE, { nonce: 0 });
    expect([rig.trusted, rig.machine.counters.droppedForgedSource]).toEqual([false, 1]);
    const asked = new NatRig('restricted').forwarded({ nonce: A_NONCE }); // the peer asks, and is answered once
    asked.direct(ELSEWHERE, { nonce: 0 });
    expect(asked.trusted).toBe(false);
    const unknown = new NatRig('restricted').direct(ELSEWHERE, { nonce: 0 });
    expect(unknown.trusted).toBe(false);
  });

  test("E-26: without a nonce each octet of the mapped address and port in the peer's address counts", () => {
    for (const from of otherPairs(A_MAPPED))
      expect([from, sought().direct(from).trusted]).toEqual([from, false]);
    expect(sought().direct(A_MAPPED).trusted).toBe(true);
  });

  test("E-77: on one peer's socket other peers are refused, known or not, with a nonce or without", () => {
    const other = teredo(at('198.51.100.7:3544'), at('192.0.2.7:1000'));
    const rig = new NatRig('counting');
    rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE });
    const [socket] = rig.sockets;
    expect(socket).toBeGreaterThanOrEqual(16);
    rig.send(data(rig.address, other)).direct(at('192.0.2.7:1000'), {}, 0, other); // on the service port this peer is accepted
    const { droppedForgedSource } = rig.machine.counters;
    rig.clear().direct(at('192.0.2.7:1000'), {}, socket, other);
    expect(rig.machine.counters.droppedForgedSource).toBe(droppedForgedSource + 1);
    rig.receive(at('192.0.2.7:1000'), data(other, rig.address), socket);
    expect(rig.delivered).toEqual([]);
  });
});

describe('a probe of the refresh interval', () => {
  const OWN = at('192.0.2.1:6000');
  const probed = (): { rig: ClientRig; probe: Sent } => {
    const rig = new ClientRig({ refresh: 'auto', localDiscovery: false }).start();
    rig.answer(rig.sent[0]!).answer(rig.sent[1]!, { from: SECONDARY });
    rig.answer(rig.sent[2]!, { origin: OWN });
    rig.answer(rig.sent[3]!, { from: SECONDARY, origin: OWN });
    rig.clear();
    while (rig.all('bubble', PRIMARY).length === 0) {
      rig.advance(500);
      for (const one of rig.all('solicitation')) if (one.socket === 0) rig.answer(one);
      rig.sent = rig.all('bubble');
    }
    return { rig, probe: rig.find('bubble', PRIMARY) };
  };
  const holds = (from: Endpoint, packet: (bytes: Uint8Array) => Uint8Array): boolean => {
    const { rig, probe } = probed();
    const { consumedBubbles } = rig.machine.counters;
    rig.receive(from, withOrigin(MAPPED, packet(probe.bytes)), 1);
    return rig.machine.counters.consumedBubbles > consumedBubbles;
  };

  test('CL-102: must come from the server: each octet of its address and port counts', () => {
    expect(holds(PRIMARY, (bytes) => bytes)).toBe(true);
    for (const from of otherPairs(PRIMARY).filter(({ address }) => address !== SECONDARY.address))
      expect([from, holds(from, (bytes) => bytes)]).toEqual([from, false]);
  });

  test('CL-106: is a bubble from the client to its second mapping: each octet of both addresses counts, and no other octet', () => {
    const { probe } = probed();
    for (const bytes of flips(probe.bytes, 8, 40)) expect(holds(PRIMARY, () => bytes)).toBe(false);
    expect(holds(PRIMARY, () => data(probe.source, probe.destination))).toBe(false);
    expect(holds(PRIMARY, () => data(NATIVE, probe.source))).toBe(false);
  });
});

describe("a client's rules for its state", () => {
  test('CL-4: while the client qualifies again no packet is delivered, although the address may stay', () => {
    const rig = new ClientRig().qualify();
    const { address } = rig;
    rig.machine.networkChanged(rig.now, { subnets: [], localAddress: LOCAL });
    rig.drain().clear();
    expect([rig.machine.state, rig.events]).toEqual(['probe', []]); // the interface keeps its address
    rig
      .receive(PRIMARY, data(NATIVE, address))
      .receive(PEER_MAPPED, data(teredo(PRIMARY, PEER_MAPPED), address));
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedUnqualifiedInbound).toBe(2);
  });

  test('C-30: a bubble of hop limit 0 is a bubble', () => {
    const rig = new ClientRig().qualify();
    const peer = teredo(at('198.51.100.118:3544'), PEER_MAPPED);
    rig.receive(PEER_MAPPED, buildBubble(peer, rig.address, 0));
    expect([...rig.machine.peers(rig.now)].map(({ trusted }) => trusted)).toEqual([true]);
  });

  test("C-4: each octet of the client's own address counts", () => {
    const rig = new ClientRig().qualify();
    const peer = teredo(at('198.51.100.118:3544'), PEER_MAPPED);
    rig.receive(PEER_MAPPED, bubble(peer, rig.address)).clear();
    for (const own of flips(rig.address)) rig.receive(PEER_MAPPED, data(peer, own));
    expect(rig.delivered).toEqual([]);
    expect(rig.receive(PEER_MAPPED, data(peer, rig.address)).delivered).toHaveLength(1);
  });
});

describe('a relay', () => {
  const CLIENT = teredo(PRIMARY, MAPPED);
  const answered = (from: Endpoint, source: Ipv6, to: (address: Ipv6) => Ipv6): boolean => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    const { source: proof } = rig.bubbles[0]!;
    rig.receive(from, buildBubble(source, to(proof), 21));
    return rig.isTrusted(CLIENT);
  };

  test("R-22, A-26: each octet of its bubble's source counts, and each octet of the client's address", () => {
    expect(answered(MAPPED, CLIENT, (proof) => proof)).toBe(true);
    for (let octet = 0; octet < 16; octet++) {
      expect([octet, answered(MAPPED, CLIENT, (proof) => flips(proof)[octet]!)]).toEqual([octet, false]);
      expect([octet, answered(MAPPED, flips(CLIENT)[octet]!, (proof) => proof)]).toEqual([octet, false]);
    }
  });

  test("R-21: each octet of a trusted client's mapped address and port counts", () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (const from of otherPairs(pairOf(CLIENT))) rig.receive(from, data(CLIENT, NATIVE));
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedForgedSource).toBe(6);
  });
});

describe('a server', () => {
  const [FROM, TO] = [teredo(PRIMARY, MAPPED), teredo(PRIMARY, PEER_MAPPED)];

  test('S-15: each octet of the mapped address and port in the source counts', () => {
    for (const from of otherPairs(MAPPED))
      expect(new ServerRig().receive(from, buildBubble(FROM, TO, 21)).sent).toEqual([]);
    expect(new ServerRig().receive(MAPPED, buildBubble(FROM, TO, 21)).sent).toHaveLength(1);
  });

  test("S-16: each octet of its address in a native host's destination counts", () => {
    const relays = (to: Ipv6): number =>
      new ServerRig().receive(RELAY, buildBubble(v6('fe80::1:2:3:4'), to, 21)).sent.length;
    expect(relays(TO)).toBe(1);
    for (const to of flips(TO, 0, 8)) expect(relays(to)).toBe(0);
  });

  test('S-13, S-20: each octet of the multicast group counts', () => {
    const asked = (octet: number | undefined): number => {
      const bytes = solicitation();
      if (octet !== undefined) {
        bytes[24 + octet]! ^= 1;
        sealIcmpv6(bytes, 0);
      }
      return new ServerRig().receive(MAPPED, bytes).sent.length;
    };
    expect(asked(undefined)).toBe(1);
    for (let octet = 0; octet < 16; octet++) expect([octet, asked(octet)]).toEqual([octet, 0]);
  });

  test('pings with 4 octets of data, like those of Windows, are forwarded', () => {
    const ping = new Uint8Array(40 + 8 + 4);
    ping.set(data(FROM, NATIVE, ping.length));
    ping[6] = 58;
    ping.set([128, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4], 40);
    expect(new ServerRig().receive(MAPPED, resealed(ping)).delivered).toHaveLength(1);
  });
});
