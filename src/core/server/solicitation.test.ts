import { describe, expect, test } from 'vitest';
import { MAPPED, PRIMARY, at, v6 } from '../../../test/support/client-rig.ts';
import { join, malformed } from '../../../test/support/machine-rig.ts';
import { FIRST, SECOND, ServerRig, solicitation } from '../../../test/support/server-rig.ts';
import { bytesOf, payloadOf } from '../../../test/support/vectors.ts';
import {
  buildEchoRequest,
  buildRouterSolicitation,
  parseRouterAdvertisement,
  toHex,
  writeUint16,
} from '../../wire/index.ts';
import { sealIcmpv6 } from '../../wire/icmpv6.ts';
import { authenticationValue, verifyAuthentication } from '../secure.ts';
import type { ClientKey, ServerOptions } from './index.ts';

const SECRET = new TextEncoder().encode('s3cret');

/** The keys of a server that knows one client. */
function keysOf(key: ClientKey): NonNullable<ServerOptions['keys']> {
  return (clientId) => (new TextDecoder().decode(clientId) === 'client-1' ? key : undefined);
}

const secure = () => new ServerRig({ keys: keysOf({ secret: SECRET }) });

const NONCE = 'a1b2c3d4e5f60718';
const HEADER = bytesOf('00010000', NONCE, '00');

/** The solicitation of example EX1 without its header, changed, with a corrected checksum. */
function altered(change: (packet: Uint8Array) => void, seal = true): Uint8Array {
  const packet = solicitation();
  change(packet);
  if (seal) sealIcmpv6(packet, 0);
  return packet;
}

describe('router solicitation', () => {
  test('EX1 is answered with EX2: S-13, S-30, S-31, S-32, S-33, S-34, S-38, S-41, S-42, U-8', () => {
    const rig = new ServerRig().example('EX1');
    expect(rig.kinds).toEqual([`${rig.sent[0].kind} 192.0.2.1:4096`]);
    expect(rig.sent[0].socket).toBe(FIRST);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX2')));
  });

  test('EX3 is answered with EX4: S-14, S-37, C-25', () => {
    const rig = secure().example('EX3');
    expect(rig.sent[0].socket).toBe(FIRST);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX4')));
  });

  test('EX5 is answered with EX6, from the other address: S-35, S-40, U-7', () => {
    const rig = new ServerRig().example('EX5');
    expect(rig.sent[0].socket).toBe(SECOND);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX6')));
  });

  test('S-1, S-31, S-32: asked on the secondary address, it answers from there, with the primary in prefix and source', () => {
    const rig = new ServerRig().receive(MAPPED, payloadOf('EX1'), SECOND);
    expect(rig.sent[0].socket).toBe(SECOND);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX2')));
  });

  test('S-35, U-7: cone bit on the secondary address: answered from the primary; other flag bits do not count', () => {
    const rig = new ServerRig().receive(MAPPED, solicitation(0x8000), SECOND);
    expect(rig.sent[0].socket).toBe(FIRST);
    rig.clear().receive(MAPPED, solicitation(0x7fff), SECOND);
    expect(rig.sent[0].socket).toBe(SECOND);
  });

  test('S-35: with one address only, a solicitation with the cone bit gets no answer: the client would take any NAT for a cone', () => {
    const rig = new ServerRig({ alone: true });
    rig.receive(MAPPED, solicitation(0x8000));
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedConeWithoutSecondary).toBe(1);
    rig.receive(MAPPED, solicitation());
    expect(rig.sent[0].socket).toBe(FIRST);
  });

  test('S-41, S-31: the advertisement has one prefix and, unless left out, MTU 1280; 109 octets without', () => {
    const [sent] = new ServerRig({ mtu: false }).example('EX1').sent;
    expect(sent.bytes.length).toBe(109);
    const ra = parseRouterAdvertisement(sent.bytes, sent.view.ipv6Start);
    if (ra.reason !== undefined) throw new Error(ra.reason);
    expect([ra.prefixes.length, ra.mtu]).toEqual([1, undefined]);
  });

  test('S-2: an answer contains no data of another client', () => {
    const rig = new ServerRig().example('EX1').receive(at('192.0.2.77:7777'), solicitation());
    expect(rig.sent[1].view.hasAuthentication).toBe(false);
    expect(toHex(rig.sent[1].bytes)).not.toContain(NONCE);
    const fresh = new ServerRig().receive(at('192.0.2.77:7777'), solicitation());
    expect(toHex(rig.sent[1].bytes)).toBe(toHex(fresh.sent[0].bytes));
    // The same after the longer answer of a secure server.
    const keyed = secure().example('EX3').example('EX3');
    expect(toHex(keyed.sent[1].bytes)).toBe(toHex(payloadOf('EX4')));
  });

  test('S-39, A-7: an open server ignores identifier and value, and returns the nonce', () => {
    const rig = new ServerRig().example('EX3');
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX2')));
  });

  test('S-37: the confirmation of the request does not matter', () => {
    const rig = new ServerRig().receive(MAPPED, join(bytesOf('00010000', NONCE, '01'), solicitation()));
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX2')));
  });

  test('S-40: no authentication in the answer without one in the solicitation', () => {
    const [sent] = new ServerRig().receive(MAPPED, solicitation()).sent;
    expect(sent.view.hasAuthentication).toBe(false);
    expect(sent.view.hasOrigin).toBe(true);
    expect([sent.view.originAddress, sent.view.originPort]).toEqual([MAPPED.address, MAPPED.port]);
  });

  test('S-45: one solicitation, one advertisement, of about its size', () => {
    const request = join(HEADER, solicitation());
    const rig = new ServerRig().receive(MAPPED, request);
    expect(rig.sent.length).toBe(1);
    // With the 28 octets of the IPv4 and UDP headers: 145 for 89.
    expect((rig.sent[0].bytes.length + 28) / (request.length + 28)).toBeLessThan(1.7);
  });

  const spoiled: [string, Uint8Array][] = [
    ['hop limit 64', altered((p) => (p[7] = 64))],
    ['bad checksum', altered((p) => (p[42] ^= 1), false)],
    ['code 1', altered((p) => (p[41] = 1))],
    ['another type', altered((p) => (p[40] = 134))],
    ['another group', altered((p) => (p[39] = 1))],
    ['too short', join(altered((p) => (p[5] = 4)).subarray(0, 44))],
    ['option of length 0', withOption([1, 0, 0, 0, 0, 0, 0, 0])],
    ['option past the end', withOption([1, 2, 0, 0, 0, 0, 0, 0])],
  ];

  test.each(spoiled)('S-18, C-20: %s: silence', (_what, packet) => {
    const rig = new ServerRig().receive(MAPPED, packet);
    expect(rig.sent).toEqual([]);
  });

  test('S-18: a valid option is accepted', () => {
    const rig = new ServerRig().receive(MAPPED, withOption([1, 1, 2, 3, 4, 5, 6, 7]));
    expect(rig.sent.length).toBe(1);
  });

  test.each(['2001:0:cb00:7178:0:efff:3fff:fdfe', '2001:db8::1', '::', 'ff02::1'])(
    'S-13, S-17: solicitation from %s: dropped silently',
    (source) => {
      const rig = new ServerRig().receive(MAPPED, buildRouterSolicitation(v6(source)));
      expect(rig.sent).toEqual([]);
      expect(rig.machine.counters.droppedForeignDestination).toBe(1);
    },
  );

  test.each([
    '10.0.0.1',
    '127.0.0.1',
    '192.168.1.1',
    '169.254.1.1',
    '192.88.99.1',
    '224.0.0.1',
    '255.255.255.255',
  ])('S-12, S-36: solicitation from %s: dropped silently', (address) => {
    const rig = new ServerRig().receive(at(`${address}:4096`), solicitation());
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedSourceNotGlobal).toBe(1);
  });
});

function withOption(option: number[]): Uint8Array {
  const packet = join(solicitation(), Uint8Array.from(option));
  writeUint16(packet, 4, 8 + option.length);
  sealIcmpv6(packet, 0);
  return packet;
}

describe('malformed datagrams: S-10, C-13 to C-17', () => {
  test('V2: EX1 truncated anywhere: dropped silently, without effect on later ones', () => {
    const rig = new ServerRig();
    for (let length = 0; length < 61; length++) rig.example('EX1', (payload) => payload.subarray(0, length));
    expect(rig.sent).toEqual([]);
    expect(malformed(rig.machine.counters)).toBe(61);
    rig.example('EX1');
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX2')));
  });

  const origin = bytesOf('0000efff3ffffdfe');
  test.each([
    ['C-13: origin before authentication', 'droppedMisorderedHeaders', join(origin, HEADER, solicitation())],
    ['C-14, V4: two authentications', 'droppedDuplicateAuthentication', join(HEADER, HEADER, solicitation())],
    ['C-14: two origins', 'droppedDuplicateOrigin', join(origin, origin, solicitation())],
    [
      'V3: identifier past the end',
      'droppedTruncatedAuthentication',
      join(bytesOf('0001ff00', NONCE, '00'), solicitation()),
    ],
    ['C-15: unknown header', 'droppedUnknownHeader', join(bytesOf('0002'), solicitation())],
    ['C-15: IPv4', 'droppedNotIpv6', bytesOf('4500001c')],
    ['C-15: nothing', 'droppedEmpty', new Uint8Array(0)],
  ] as const)('%s: silence, %s', (_what, counter, datagram) => {
    const rig = new ServerRig().receive(MAPPED, datagram);
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters[counter]).toBe(1);
  });
});

describe('secure qualification', () => {
  test('S-14: without authentication, or with a nonce only: dropped silently', () => {
    const rig = secure().example('EX1').example('EX5');
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedUnauthenticated).toBe(2);
  });

  test('S-14: any bit of identifier, value, nonce, confirmation or packet flipped: dropped silently', () => {
    const rig = secure();
    for (let octet = 4; octet < 89; octet++) {
      rig.example('EX3', (payload) => {
        payload[octet] ^= 1 << (octet % 8);
        return payload;
      });
    }
    expect(rig.sent).toEqual([]);
  });

  test('A-24: an unknown identifier: dropped silently', () => {
    const rig = new ServerRig({ keys: () => undefined }).example('EX3');
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedUnauthenticated).toBe(1);
  });

  test('S-37, A-24: a key that has expired: signed with it, confirmation 1', () => {
    const rig = new ServerRig({ keys: keysOf({ secret: SECRET, expired: true }) }).example('EX3');
    const { bytes, view } = rig.sent[0];
    const header = view.authentication!;
    expect(header.confirmation).toBe(1);
    const { originStart: origin, ipv6Start, ipv6End } = view;
    const good = verifyAuthentication(SECRET, bytes, { authentication: header, origin, ipv6Start, ipv6End });
    expect(good).toBe(true);
  });

  test('S-37: the longest identifier fits', () => {
    const id = new Uint8Array(255).fill(0x69);
    const rig = new ServerRig({ keys: () => ({ secret: SECRET }) });
    const request = join(bytesOf('0001ff14'), id, new Uint8Array(20), bytesOf(NONCE, '00'), solicitation());
    const header = { start: 0, end: 288, clientId: { start: 4, end: 259 }, value: { start: 259, end: 279 } };
    const full = { ...header, nonceOffset: 279, confirmation: 0 };
    const parts = { authentication: full, origin: undefined, ipv6Start: 288, ipv6End: request.length };
    request.set(authenticationValue(SECRET, request, parts), 259);
    rig.receive(MAPPED, request);
    const { bytes, view } = rig.sent[0];
    expect(toHex(bytes, 4, 259)).toBe(toHex(id));
    const { originStart: origin, ipv6Start, ipv6End } = view;
    const answered = { authentication: view.authentication!, origin, ipv6Start, ipv6End };
    expect(verifyAuthentication(SECRET, bytes, answered)).toBe(true);
  });
});

describe('pinging the server: S-20', () => {
  const ping = (length: number, destination = 'fe80::8000:f227:34ff:8e87') =>
    buildEchoRequest({
      source: v6('fe80::1234'),
      destination: v6(destination),
      hopLimit: 64,
      identifier: 0x5444,
      sequence: 9,
      data: new Uint8Array(length).fill(7),
    });

  test('an echo request to its link-local address is answered', () => {
    const rig = new ServerRig().receive(MAPPED, ping(16));
    const { bytes, source, destination } = rig.sent[0];
    expect(rig.sent[0].to(MAPPED)).toBe(true);
    expect(toHex(source)).toBe(toHex(rig.machine.linkLocal));
    expect(toHex(destination)).toBe(toHex(v6('fe80::1234')));
    expect(bytes[40]).toBe(129);
    expect(toHex(bytes, 44)).toBe(`54440009${'07'.repeat(16)}`);
  });

  test('S-45: the answer is no larger than a tunnel packet or the request, and contains only octets of the request', () => {
    const rig = new ServerRig().receive(MAPPED, ping(1_233));
    expect(rig.sent).toEqual([]);
    const short = ping(0).subarray(0, 44);
    short[5] = 4;
    sealIcmpv6(short, 0);
    rig.receive(MAPPED, short);
    expect(rig.sent).toEqual([]);
    rig.receive(MAPPED, ping(1_232));
    expect(rig.sent[0].bytes.length).toBe(1_280);
  });

  test('with a bad checksum: dropped silently', () => {
    const packet = ping(16);
    packet[60] ^= 1;
    expect(new ServerRig().receive(MAPPED, packet).sent).toEqual([]);
  });

  test("S-29: a request with the server's own address as source: dropped silently", () => {
    const rig = new ServerRig().receive(PRIMARY, solicitation());
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedOwnSource).toBe(1);
  });
});
