import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6, uint16, uint8 } from '../../test/support/arbitraries.ts';
import { payloadOf } from '../../test/support/vectors.ts';
import { readUint16 } from './bytes.ts';
import {
  ICMPV6,
  buildEchoReply,
  buildEchoRequest,
  checkIcmpv6,
  echoData,
  icmpv6Code,
  icmpv6Type,
  sealIcmpv6,
} from './icmpv6.ts';
import { DESTINATION, IPV6_HEADER, NEXT_HEADER, SOURCE, checkIpv6, hopLimit } from './ipv6.ts';

test('echo messages round trip', () => {
  const echo = fc.record({
    source: ipv6,
    destination: ipv6,
    hopLimit: uint8,
    identifier: uint16,
    sequence: uint16,
    data: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(echo, fc.boolean(), (e, reply) => {
      const b = reply ? buildEchoReply(e) : buildEchoRequest(e);
      expect(checkIpv6(b, 0, b.length)).toBeUndefined();
      expect(checkIcmpv6(b, 0)).toBe(true);
      expect(icmpv6Type(b, 0)).toBe(reply ? ICMPV6.ECHO_REPLY : ICMPV6.ECHO_REQUEST);
      expect(icmpv6Code(b, 0)).toBe(0);
      expect(hopLimit(b, 0)).toBe(e.hopLimit);
      expect(b.subarray(SOURCE, DESTINATION)).toEqual(e.source);
      expect(b.subarray(DESTINATION, IPV6_HEADER)).toEqual(e.destination);
      expect(readUint16(b, IPV6_HEADER + 4)).toBe(e.identifier);
      expect(readUint16(b, IPV6_HEADER + 6)).toBe(e.sequence);
      const { start, end } = echoData(b, 0);
      expect(b.subarray(start, end)).toEqual(e.data);
      expect(end).toBe(b.length);
    }),
  );
});

test('packets at an offset are checked in place', () => {
  const b = new Uint8Array(70);
  b.set(payloadOf('EX14'), 7);
  expect(checkIcmpv6(b, 7)).toBe(true);
  expect(echoData(b, 7)).toEqual({ start: 7 + 48, end: 7 + 56 });
});

test('one changed bit of addresses, length or message makes the checksum wrong', () => {
  const good = payloadOf('EX15');
  for (let bit = 8 * SOURCE; bit < 8 * good.length; bit++) {
    const b = good.slice();
    b[bit >> 3] ^= 0x80 >> (bit & 7);
    expect(checkIcmpv6(b, 0)).toBe(false);
  }
});

test('octets after the packet are not part of it', () => {
  const b = new Uint8Array(60).fill(0xff);
  b.set(payloadOf('EX15'));
  expect(checkIcmpv6(b, 0)).toBe(true);
});

test('a packet that is too short, or of another protocol, is not ICMPv6', () => {
  const b = payloadOf('EX15');
  b[6] = NEXT_HEADER.FRAGMENT;
  expect(checkIcmpv6(b, 0)).toBe(false);
  for (const length of [0, 1, 2, 3]) {
    const short = payloadOf('EX15');
    short[5] = length;
    expect(checkIcmpv6(short, 0)).toBe(false);
  }
  const four = payloadOf('EX15').subarray(0, 44);
  four[5] = 4;
  sealIcmpv6(four, 0);
  expect(checkIcmpv6(four, 0)).toBe(true);
  expect(echoData(four, 0)).toEqual({ start: 48, end: 48 });
});
