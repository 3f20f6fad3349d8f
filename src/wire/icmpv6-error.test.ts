import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6 } from '../../test/support/arbitraries.ts';
import { payloadOf } from '../../test/support/vectors.ts';
import { readUint32 } from './bytes.ts';
import { ICMPV6, buildEchoReply, checkIcmpv6, icmpv6Code, icmpv6Type } from './icmpv6.ts';
import { buildPacketTooBig, buildTimeExceeded, buildUnreachable, mayCauseIcmpError } from './icmpv6-error.ts';
import {
  DESTINATION,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  checkIpv6,
  hopLimit,
  writeIpv6Header,
} from './ipv6.ts';
import { parseIpv6 } from './ipv6-text.ts';

const router = parseIpv6('2001:db8::1')!;
const host = parseIpv6('2001:db8::2')!;
const group = parseIpv6('ff0e::1')!;
const unspecified = parseIpv6('::')!;

/** A packet of `host` to `router` whose payload starts with these octets. */
function packet(nextHeader: number, payload: number[], source = host, destination = router): Uint8Array {
  const b = new Uint8Array(IPV6_HEADER + payload.length);
  writeIpv6Header(b, 0, { payloadLength: payload.length, nextHeader, hopLimit: 1, source, destination });
  b.set(payload, IPV6_HEADER);
  return b;
}

test('errors go to the sender and quote as much as 1280 octets hold (RFC 4443 section 2.4 c)', () => {
  const data = fc.uint8Array({ minLength: 0, maxLength: 2_000, size: 'max' });
  fc.assert(
    fc.property(ipv6, data, (source, d) => {
      const offending = buildEchoReply({
        source: host,
        destination: router,
        hopLimit: 3,
        identifier: 1,
        sequence: 2,
        data: d,
      });
      const b = buildUnreachable({ source, offending, code: 3 });
      expect(b.length).toBe(Math.min(1280, 48 + offending.length));
      expect(checkIpv6(b, 0, b.length)).toBeUndefined();
      expect(checkIcmpv6(b, 0)).toBe(true);
      expect(b.subarray(SOURCE, DESTINATION)).toEqual(source);
      expect(b.subarray(DESTINATION, IPV6_HEADER)).toEqual(host);
      expect(b.subarray(48)).toEqual(offending.subarray(0, 1232));
    }),
  );
});

test('each error has its type, code and parameter', () => {
  const offending = payloadOf('EX14');
  const unreachable = buildUnreachable({ source: router, offending, code: 4, hopLimit: 255 });
  expect([icmpv6Type(unreachable, 0), icmpv6Code(unreachable, 0)]).toEqual([1, 4]);
  expect(readUint32(unreachable, 44)).toBe(0);
  expect(hopLimit(unreachable, 0)).toBe(255);
  const tooBig = buildPacketTooBig({ source: router, offending, mtu: 1280, destination: host });
  expect([icmpv6Type(tooBig, 0), icmpv6Code(tooBig, 0)]).toEqual([2, 0]);
  expect(readUint32(tooBig, 44)).toBe(1280);
  expect(tooBig.subarray(DESTINATION, IPV6_HEADER)).toEqual(host);
  const exceeded = buildTimeExceeded({ source: router, offending, code: 0 });
  expect([icmpv6Type(exceeded, 0), icmpv6Code(exceeded, 0)]).toEqual([3, 0]);
  expect(hopLimit(exceeded, 0)).toBe(64);
});

test.each([
  ['TCP', true, packet(NEXT_HEADER.TCP, [1, 2, 3, 4])],
  ['UDP without payload', true, packet(NEXT_HEADER.UDP, [])],
  ['a bubble', true, packet(NEXT_HEADER.NONE, [])],
  ['an echo request', true, packet(NEXT_HEADER.ICMPV6, [ICMPV6.ECHO_REQUEST, 0, 0, 0])],
  ['an ICMPv6 error', false, packet(NEXT_HEADER.ICMPV6, [ICMPV6.DESTINATION_UNREACHABLE, 0, 0, 0])],
  ['an unknown ICMPv6 error', false, packet(NEXT_HEADER.ICMPV6, [127, 0, 0, 0])],
  ['a redirect', false, packet(NEXT_HEADER.ICMPV6, [ICMPV6.REDIRECT, 0, 0, 0])],
  ['ICMPv6 without a type', false, packet(NEXT_HEADER.ICMPV6, [])],
  ['to a group', false, packet(NEXT_HEADER.UDP, [], host, group)],
  ['from a group', false, packet(NEXT_HEADER.UDP, [], group)],
  ['from the unspecified address', false, packet(NEXT_HEADER.UDP, [], unspecified)],
  ['an error behind an extension', false, packet(60, [58, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0])],
  ['an error behind two', false, packet(0, [60, 0, 0, 0, 0, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])],
  [
    'an echo request behind a long one',
    true,
    packet(43, [58, 1, ...Array.from({ length: 14 }, () => 0), 129, 0, 0, 0]),
  ],
  ['TCP behind an extension', true, packet(60, [6, 0, 0, 0, 0, 0, 0, 0])],
  ['the first fragment of an error', false, packet(44, [58, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0])],
  ['the first fragment of an echo', true, packet(44, [58, 0, 0, 1, 0, 0, 0, 0, 128, 0, 0, 0])],
  ['a later fragment of ICMPv6', false, packet(44, [58, 0, 0, 8, 0, 0, 0, 0, 128, 0, 0, 0])],
  ['a later fragment of UDP', true, packet(44, [17, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0])],
  ['a later fragment of an extension', false, packet(44, [60, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 0])],
  ['an extension cut off', false, packet(60, [58, 0, 0])],
  ['an extension longer than the packet', false, packet(60, [58, 200, 0, 0, 0, 0, 0, 0])],
])('%s: %s (RFC 4443 section 2.4 e)', (_, expected, b) => {
  expect(mayCauseIcmpError(b, 0, b.length)).toBe(expected);
  const shifted = Uint8Array.of(0, 0, 0, ...b);
  expect(mayCauseIcmpError(shifted, 3, shifted.length)).toBe(expected);
});
