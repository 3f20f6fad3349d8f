import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6 } from '../../test/support/arbitraries.ts';
import { formatIpv6, parseIpv6 } from './ipv6-text.ts';

test.each([
  ['2001:db8::1', '2001:db8::1'],
  ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ['1::', '1::'],
  ['::', '::'],
  ['::1', '::1'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
])('%s is written %s (RFC 5952)', (text, canonical) => {
  expect(formatIpv6(parseIpv6(text)!)).toBe(canonical);
});

test('every address round trips', () => {
  fc.assert(
    fc.property(ipv6, (address) => {
      expect(parseIpv6(formatIpv6(address))).toEqual(address);
    }),
  );
});

test('formats the octets at the offset', () => {
  expect(formatIpv6(Uint8Array.of(9, 9, ...parseIpv6('fe80::1')!), 2)).toBe('fe80::1');
});

test.each([
  '',
  ':',
  ':::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  '1:2:3:4:5:6:7:8::',
  '::1:2:3:4:5:6:7:8',
  '12345::',
  'g::',
  '1.2.3.4',
  '1.2.3.4::',
  '::1.2.3',
  '::1.2.3.4:5',
  '1:2:3:4:5:6:7:1.2.3.4',
  'fe80::1%eth0',
  '::1/64',
  ' ::1',
  ':1::',
  '1:',
  ':1',
])('%j is not an address', (text) => expect(parseIpv6(text)).toBeUndefined());

test('parses exactly the texts that the operating system accepts', () => {
  const text = fc.string({
    unit: fc.constantFrom(':', '::', '0', '1', 'ab', 'ffff', '1.2.3.4', '.', '12345'),
    maxLength: 17,
  });
  fc.assert(
    fc.property(text, (t) => {
      expect(parseIpv6(t) !== undefined).toBe(isIPv6(t));
    }),
    { numRuns: 5_000 },
  );
});
