import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6, uint8 } from '../../test/support/arbitraries.ts';
import { payloadOf } from '../../test/support/vectors.ts';
import {
  DESTINATION,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  checkIpv6,
  hopLimit,
  nextHeader,
  payloadLength,
  trafficClass,
  version,
  writeIpv6Header,
} from './ipv6.ts';
import { ALL_NODES, ALL_ROUTERS, isLinkLocal, isLoopback, isMulticast, isUnspecified } from './ipv6-scope.ts';
import { formatIpv6, parseIpv6 } from './ipv6-text.ts';

test('the header round trips', () => {
  const header = fc.record({
    payloadLength: fc.integer({ min: 0, max: 0xffff }),
    nextHeader: uint8,
    hopLimit: uint8,
    trafficClass: uint8,
    source: ipv6,
    destination: ipv6,
  });
  fc.assert(
    fc.property(header, fc.nat(7), (h, o) => {
      const b = new Uint8Array(o + IPV6_HEADER).fill(0xff);
      writeIpv6Header(b, o, h);
      expect(version(b, o)).toBe(6);
      expect(trafficClass(b, o)).toBe(h.trafficClass);
      expect(payloadLength(b, o)).toBe(h.payloadLength);
      expect(nextHeader(b, o)).toBe(h.nextHeader);
      expect(hopLimit(b, o)).toBe(h.hopLimit);
      expect(b.subarray(o + SOURCE, o + DESTINATION)).toEqual(h.source);
      expect(b.subarray(o + DESTINATION)).toEqual(h.destination);
      expect([b[o + 1] & 0x0f, b[o + 2], b[o + 3]]).toEqual([0, 0, 0]);
    }),
  );
});

test('a packet needs version 6, its header and its payload; octets after it are allowed (C-17)', () => {
  const bubble = payloadOf('EX7');
  const echo = payloadOf('EX14');
  expect(checkIpv6(bubble, 0, 40)).toBeUndefined();
  expect(checkIpv6(payloadOf('EX8'), 0, 46)).toBeUndefined();
  for (let end = 0; end < 40; end++) expect(checkIpv6(bubble, 0, end)).toBe('truncated-ipv6');
  for (let end = 40; end < 56; end++) expect(checkIpv6(echo, 0, end)).toBe('truncated-ipv6');
  expect(checkIpv6(echo, 0, 56)).toBeUndefined();
  for (const nibble of [0, 1, 4, 5, 7, 15]) {
    bubble[0] = nibble << 4;
    expect(checkIpv6(bubble, 0, 40)).toBe('not-ipv6');
  }
});

test('next header numbers are those of IANA', () => {
  expect(NEXT_HEADER).toMatchObject({ TCP: 6, UDP: 17, FRAGMENT: 44, ICMPV6: 58, NONE: 59 });
});

test.each([
  ['fe80::1', 'link-local'],
  ['febf:ffff::', 'link-local'],
  ['fec0::1', ''],
  ['fe7f::1', ''],
  ['ff02::1', 'multicast'],
  ['ff0e::1', 'multicast'],
  ['feff::1', ''],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::2', ''],
  ['1::', ''],
  ['0:0:1::', ''],
  ['0:0:0:0:1::', ''],
  ['0:0:0:0:1::1', ''],
  ['2001:0:cb00:7178:0:efff:3fff:fdfe', ''],
])('%s is %s', (text, kind) => {
  const b = Uint8Array.of(0xff, ...parseIpv6(text)!);
  expect(isLinkLocal(b, 1)).toBe(kind === 'link-local');
  expect(isMulticast(b, 1)).toBe(kind === 'multicast');
  expect(isUnspecified(b, 1)).toBe(kind === 'unspecified');
  expect(isLoopback(b, 1)).toBe(kind === 'loopback');
});

test('the multicast groups that Teredo uses', () => {
  expect(formatIpv6(ALL_NODES)).toBe('ff02::1');
  expect(formatIpv6(ALL_ROUTERS)).toBe('ff02::2');
});
