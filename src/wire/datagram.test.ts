import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv4, ipv6, octets, port, uint8 } from '../../test/support/arbitraries.ts';
import { bytesOf } from '../../test/support/vectors.ts';
import { authenticationLength, writeAuthentication } from './authentication.ts';
import { toHex } from './bytes.ts';
import type { DecodeReason } from './datagram.ts';
import { DatagramView, decodeDatagram } from './datagram.ts';
import { IPV6_HEADER, writeIpv6Header } from './ipv6.ts';
import { ORIGIN_LENGTH, writeOrigin } from './origin.ts';

const AUTHENTICATION = '00010000a1b2c3d4e5f6071800';
const ORIGIN = '0000efff3ffffdfe';
const PACKET = '6000000000003bff20010000cb0071780000efff3ffffdfe20010000c63364760000dfff3ffffdf5';

function decode(...parts: string[]): DecodeReason | undefined {
  const b = bytesOf(...parts);
  return decodeDatagram(b, 0, b.length, new DatagramView());
}

const datagram = fc.record(
  {
    authentication: fc.record({
      clientId: fc.uint8Array({ maxLength: 20 }),
      value: fc.uint8Array({ maxLength: 20 }),
      nonce: octets(8),
      confirmation: uint8,
    }),
    origin: fc.record({ address: ipv4, port }),
    packet: fc.record({
      nextHeader: uint8,
      hopLimit: uint8,
      source: ipv6,
      destination: ipv6,
      payload: fc.uint8Array({ maxLength: 60 }),
    }),
    trailers: fc.uint8Array({ maxLength: 30 }),
    before: fc.nat(5),
    behind: fc.nat(5),
  },
  { requiredKeys: ['packet', 'trailers', 'before', 'behind'] },
);

test('datagrams round trip, with any headers, at any place in a buffer', () => {
  const view = new DatagramView();
  fc.assert(
    fc.property(datagram, ({ authentication, origin, packet, trailers, before, behind }) => {
      const b = new Uint8Array(before + 60 + IPV6_HEADER + 100 + behind).fill(0x60);
      let at = before;
      if (authentication) at = writeAuthentication(b, at, authentication);
      const originStart = at;
      if (origin) at = writeOrigin(b, at, origin.address, origin.port);
      const ipv6Start = at;
      writeIpv6Header(b, at, { ...packet, payloadLength: packet.payload.length });
      b.set(packet.payload, at + IPV6_HEADER);
      const ipv6End = at + IPV6_HEADER + packet.payload.length;
      b.set(trailers, ipv6End);
      const trailersEnd = ipv6End + trailers.length;

      expect(decodeDatagram(b, before, trailersEnd, view)).toBeUndefined();
      expect(view).toMatchObject({ ipv6Start, ipv6End, trailersEnd });
      expect(view.hasAuthentication).toBe(authentication !== undefined);
      expect(view.authentication !== undefined).toBe(authentication !== undefined);
      if (authentication) {
        const { clientId, value, confirmation } = authentication;
        expect(view.authentication).toMatchObject({
          start: before,
          end: before + authenticationLength(clientId.length, value.length),
          confirmation,
        });
      }
      expect(view.hasOrigin).toBe(origin !== undefined);
      if (origin) {
        expect(view).toMatchObject({
          originStart,
          originAddress: origin.address,
          originPort: origin.port,
        });
        expect(ipv6Start).toBe(originStart + ORIGIN_LENGTH);
      }
    }),
  );
});

test.each<[string, DecodeReason | undefined, string[]]>([
  ['authentication and origin', undefined, [AUTHENTICATION, ORIGIN, PACKET]],
  ['swapped headers (C-13)', 'misordered-headers', [ORIGIN, AUTHENTICATION, PACKET]],
  ['two authentications (C-14)', 'duplicate-authentication', [AUTHENTICATION, AUTHENTICATION, PACKET]],
  ['two origins (C-14)', 'duplicate-origin', [ORIGIN, ORIGIN, PACKET]],
  ['a third authentication', 'duplicate-authentication', [AUTHENTICATION, ORIGIN, AUTHENTICATION, PACKET]],
  ['nothing at all', 'empty', []],
  ['one zero', 'unknown-header', ['00']],
  ['an unknown header (C-15)', 'unknown-header', ['0002', PACKET]],
  ['an unknown header behind a known one', 'unknown-header', [ORIGIN, '00ff', PACKET]],
  ['IPv4', 'not-ipv6', ['45', PACKET]],
  ['ones', 'not-ipv6', ['ff'.repeat(60)]],
  ['IPv4 behind an origin', 'not-ipv6', [ORIGIN, '45', PACKET]],
  ['a header and nothing', 'truncated-ipv6', [ORIGIN]],
  ['two headers and nothing', 'truncated-ipv6', [AUTHENTICATION, ORIGIN]],
  ['an authentication cut off (C-16)', 'truncated-authentication', [AUTHENTICATION.slice(0, -2)]],
  ['an authentication without lengths', 'truncated-authentication', ['000100']],
  ['an identifier past the end', 'truncated-authentication', ['0001ff00', PACKET]],
  ['an origin cut off (C-16)', 'truncated-origin', [ORIGIN.slice(0, -2)]],
  ['an IPv6 header cut off', 'truncated-ipv6', [PACKET.slice(0, -2)]],
  ['a payload cut off (C-17)', 'truncated-ipv6', [PACKET.slice(0, 8) + '0001' + PACKET.slice(12)]],
  ['more than the packet (C-17)', undefined, [PACKET, '0104deadbeef']],
])('%s: %s', (_, reason, parts) => {
  expect(decode(...parts)).toBe(reason);
});

test('only the octets between start and end count', () => {
  const b = bytesOf('00', PACKET, ORIGIN);
  const view = new DatagramView();
  expect(decodeDatagram(b, 1, 41, view)).toBeUndefined();
  expect(view).toMatchObject({ ipv6Start: 1, ipv6End: 41, trailersEnd: 41, hasOrigin: false });
  expect(decodeDatagram(b, 1, 40, view)).toBe('truncated-ipv6');
  expect(decodeDatagram(b, 41, 49, view)).toBe('truncated-ipv6');
  expect(decodeDatagram(b, 49, 49, view)).toBe('empty');
});

test('a decode keeps no values of the datagram before', () => {
  const view = new DatagramView();
  const secured = bytesOf(AUTHENTICATION, ORIGIN, PACKET);
  const plain = bytesOf(PACKET);
  decodeDatagram(secured, 0, secured.length, view);
  decodeDatagram(plain, 0, plain.length, view);
  expect(view).toMatchObject({ hasAuthentication: false, hasOrigin: false, ipv6Start: 0 });
  expect(view.authentication).toBeUndefined();
});

/** The grammar of RFC 4380 section 5.1.1 and RFC 6081 section 4 as a pattern over hex digits. */
function wellFormed(b: Uint8Array): boolean {
  const header = /^(?:0001(..)(..))?/.exec(toHex(b))!;
  const skip =
    header[1] === undefined ? 0 : 13 + Number.parseInt(header[1], 16) + Number.parseInt(header[2], 16);
  if (skip > b.length) return false;
  const rest = /^(?:0000.{12})?(6.{7}(.{4}).{68}.*)$/.exec(toHex(b, skip));
  return rest !== null && rest[1].length / 2 >= IPV6_HEADER + Number.parseInt(rest[2], 16);
}

test('exactly the datagrams that the grammar allows are decoded', () => {
  const part = fc.oneof(
    fc.constantFrom(AUTHENTICATION, '00010102aabbcca1b2c3d4e5f6071800', ORIGIN, PACKET, '0000', '0001', '60'),
    fc.uint8Array({ maxLength: 12 }).map((b) => toHex(b)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.nat(3), (parts, cut) => {
      const whole = bytesOf(...parts);
      const b = whole.subarray(0, Math.max(0, whole.length - cut));
      expect(decodeDatagram(b, 0, b.length, new DatagramView()) === undefined).toBe(wellFormed(b));
    }),
    { numRuns: 3_000 },
  );
});
