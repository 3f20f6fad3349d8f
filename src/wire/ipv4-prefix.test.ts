import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv4 } from '../../test/support/arbitraries.ts';
import { formatIpv4, parseIpv4 } from './ipv4.ts';
import { formatIpv4Prefix, inIpv4Prefix, parseIpv4Prefix } from './ipv4-prefix.ts';

test.each([
  ['203.0.113.0/24', '203.0.113.0/24'],
  ['203.0.113.7/24', '203.0.113.0/24'],
  ['203.0.113.7', '203.0.113.7/32'],
  ['203.0.113.7/32', '203.0.113.7/32'],
  ['255.255.255.255/1', '128.0.0.0/1'],
  ['255.255.255.255/0', '0.0.0.0/0'],
])('%s is %s', (text, prefix) => expect(formatIpv4Prefix(parseIpv4Prefix(text)!)).toBe(prefix));

test.each([
  '',
  '203.0.113',
  '203.0.113.0/',
  '203.0.113.0/33',
  '203.0.113.0/-1',
  '203.0.113.0/024',
  '203.0.113.0/+8',
  '203.0.113.0/8/8',
  ' 203.0.113.0/24',
  '203.0.113.0/ 24',
  '203.0.113.0/24\n',
  '203.0.113.256',
  '/24',
  '2001:db8::/32',
])('%j is not a prefix', (text) => expect(parseIpv4Prefix(text)).toBeUndefined());

test('an address is in a prefix when their leading bits are the same', () => {
  const bits = (address: number) => address.toString(2).padStart(32, '0');
  const flip = fc.option(fc.nat(31), { nil: undefined });
  fc.assert(
    fc.property(ipv4, fc.nat(32), flip, (address, length, flipped) => {
      const prefix = parseIpv4Prefix(`${formatIpv4(address)}/${length}`)!;
      const other = flipped === undefined ? address : (address ^ (1 << (31 - flipped))) >>> 0;
      expect(bits(prefix.address)).toBe(bits(address).slice(0, length).padEnd(32, '0'));
      expect(inIpv4Prefix(other, prefix)).toBe(bits(other).startsWith(bits(address).slice(0, length)));
      expect(parseIpv4(formatIpv4(prefix.address))).toBe(prefix.address);
    }),
  );
});
