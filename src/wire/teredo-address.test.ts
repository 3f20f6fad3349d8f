import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { octets, teredoAddress } from '../../test/support/arbitraries.ts';
import { vectors } from '../../test/support/vectors.ts';
import { toHex } from './bytes.ts';
import { formatIpv4, parseIpv4 } from './ipv4.ts';
import { isLinkLocal } from './ipv6-scope.ts';
import { formatIpv6, parseIpv6 } from './ipv6-text.ts';
import {
  CONE_FLAG,
  GROUP_FLAG,
  RANDOM_FLAGS,
  UNIVERSAL_FLAG,
  flagsOf,
  isTeredo,
  makeLinkLocal,
  makeTeredoAddress,
  mappedAddressOf,
  mappedPortOf,
  parseTeredoAddress,
  serverOf,
  teredoPrefix,
} from './teredo-address.ts';

describe.each(vectors.addresses)('$text', ({ server, flags, mappedIPv4, mappedPort, hex, text }) => {
  const parts = {
    server: parseIpv4(server)!,
    flags,
    mappedAddress: parseIpv4(mappedIPv4)!,
    mappedPort,
  };

  test('is made', () => {
    const address = makeTeredoAddress(parts);
    expect(toHex(address)).toBe(hex);
    expect(formatIpv6(address)).toBe(text);
  });

  test('is read', () => {
    const address = parseIpv6(text)!;
    expect(parseTeredoAddress(address)).toEqual(parts);
    expect(formatIpv4(serverOf(address, 0))).toBe(server);
    expect(flagsOf(address, 0)).toBe(flags);
    expect(formatIpv4(mappedAddressOf(address, 0))).toBe(mappedIPv4);
    expect(mappedPortOf(address, 0)).toBe(mappedPort);
  });
});

test.each(['2001:1::', '2001:0100::', '2001::1:0:0:0:0:1', '3ffe:831f::1', '2002::', '2000::', '::'])(
  'only 2001::/32 is Teredo: %s (C-2)',
  (text) => {
    const address = parseIpv6(text)!;
    const teredo = text.startsWith('2001::');
    expect(isTeredo(address, 0)).toBe(teredo);
    expect(parseTeredoAddress(address) !== undefined).toBe(teredo);
  },
);

test('addresses round trip, whatever the flags (C-4, C-5)', () => {
  fc.assert(
    fc.property(teredoAddress, fc.nat(9), (address, offset) => {
      const b = new Uint8Array(offset + 16);
      b.set(makeTeredoAddress(address), offset);
      expect(isTeredo(b, offset)).toBe(true);
      expect(parseTeredoAddress(b, offset)).toEqual(address);
    }),
  );
});

test('any 16 octets with the prefix are an address, and can be made from its parts again', () => {
  fc.assert(
    fc.property(octets(16), (b) => {
      b.set([0x20, 0x01, 0, 0]);
      expect(makeTeredoAddress(parseTeredoAddress(b)!)).toEqual(b);
    }),
  );
});

test('too few octets are not an address', () => {
  const address = makeTeredoAddress({ server: 1, flags: 2, mappedAddress: 3, mappedPort: 4 });
  expect(parseTeredoAddress(address.subarray(0, 15))).toBeUndefined();
  expect(parseTeredoAddress(address, 1)).toBeUndefined();
});

test('link-local addresses have the same identifier (C-8)', () => {
  const client = { flags: CONE_FLAG, mappedAddress: parseIpv4('192.168.1.2')!, mappedPort: 40000 };
  const server = { flags: CONE_FLAG, mappedAddress: parseIpv4('203.0.113.120')!, mappedPort: 3544 };
  expect(formatIpv6(makeLinkLocal(client))).toBe('fe80::8000:63bf:3f57:fefd');
  expect(formatIpv6(makeLinkLocal({ ...client, flags: 0 }))).toBe('fe80::63bf:3f57:fefd');
  expect(formatIpv6(makeLinkLocal(server))).toBe('fe80::8000:f227:34ff:8e87');
  fc.assert(
    fc.property(teredoAddress, (address) => {
      const b = makeLinkLocal(address);
      expect(isLinkLocal(b, 0)).toBe(true);
      expect(b.subarray(8)).toEqual(makeTeredoAddress(address).subarray(8));
      expect(b.subarray(2, 8)).toEqual(new Uint8Array(6));
    }),
  );
});

test('the prefix of a server is its address without identifier', () => {
  expect(formatIpv6(teredoPrefix(parseIpv4('203.0.113.120')!))).toBe('2001:0:cb00:7178::');
});

test('the flag masks cover all 16 bits except the z bit (U-1)', () => {
  expect(CONE_FLAG | UNIVERSAL_FLAG | GROUP_FLAG | RANDOM_FLAGS).toBe(0xffff & ~0x4000);
  expect(CONE_FLAG + UNIVERSAL_FLAG + GROUP_FLAG + RANDOM_FLAGS).toBe(0xffff & ~0x4000);
});
