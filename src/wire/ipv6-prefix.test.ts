import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6 } from '../../test/support/arbitraries.ts';
import { inPrefix, parsePrefix } from './ipv6-prefix.ts';
import { formatIpv6, parseIpv6 } from './ipv6-text.ts';

test.each([
  ['2001:db8::/32', '2001:db8::', 32],
  ['2000::/3', '2000::', 3],
  ['3fff::/3', '2000::', 3],
  ['::/0', '::', 0],
  ['1::1/128', '1::1', 128],
  ['ffff::/1', '8000::', 1],
])('%s is %s and %i', (text, address, length) => {
  const prefix = parsePrefix(text)!;
  expect(formatIpv6(prefix.address)).toBe(address);
  expect(prefix.length).toBe(length);
});

test.each(['2001:db8::', '2001:db8::/', '/32', '::/129', '::/-1', '::/01', '::/1/2', 'x::/3', '::/ 3'])(
  '%j is not a prefix',
  (text) => expect(parsePrefix(text)).toBeUndefined(),
);

test('2000::/3 ends where it should', () => {
  const prefix = parsePrefix('2000::/3')!;
  const within = (text: string) => inPrefix(parseIpv6(text)!, 0, prefix);
  expect(within('2000::')).toBe(true);
  expect(within('3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toBe(true);
  expect(within('1fff:ffff::')).toBe(false);
  expect(within('4000::')).toBe(false);
});

test('an address is in a prefix when their leading bits are the same', () => {
  const bits = (b: Uint8Array) => Array.from(b, (octet) => octet.toString(2).padStart(8, '0')).join('');
  const flip = fc.option(fc.nat(127), { nil: undefined });
  fc.assert(
    fc.property(ipv6, fc.nat(128), flip, (address, length, flipped) => {
      const prefix = parsePrefix(`${formatIpv6(address)}/${length}`)!;
      if (flipped !== undefined) address[flipped >> 3] ^= 0x80 >> (flipped & 7);
      const expected = bits(address).slice(0, length) === bits(prefix.address).slice(0, length);
      expect(inPrefix(Uint8Array.of(1, ...address), 1, prefix)).toBe(expected);
    }),
  );
});
