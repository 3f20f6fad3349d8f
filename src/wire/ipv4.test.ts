import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpoint, ipv4 } from '../../test/support/arbitraries.ts';
import { formatEndpoint, formatIpv4, parseEndpoint, parseIpv4 } from './ipv4.ts';

test('an address is an unsigned number, most significant octet first', () => {
  expect(parseIpv4('1.2.3.4')).toBe(0x01020304);
  expect(parseIpv4('255.255.255.255')).toBe(0xffffffff);
  expect(formatIpv4(0xc0000201)).toBe('192.0.2.1');
});

test('text round trips', () => {
  fc.assert(
    fc.property(ipv4, (address) => {
      expect(parseIpv4(formatIpv4(address))).toBe(address);
    }),
  );
  fc.assert(
    fc.property(endpoint, (e) => {
      expect(parseEndpoint(formatEndpoint(e))).toEqual(e);
    }),
  );
});

test.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '1.2.3.00',
  '256.1.1.1',
  '1.2.3.4 ',
  '1..2.3',
  '0x1.2.3.4',
  '1.2.3.-4',
  '1.2.3.4\n',
])('%j is not an address', (text) => expect(parseIpv4(text)).toBeUndefined());

test.each([
  '1.2.3.4',
  '1.2.3.4:',
  ':5',
  '1.2.3.4:65536',
  '1.2.3.4:05',
  '1.2.3.4:5:6',
  '1.2.3.4:+5',
  '1.2.3:5',
])('%j is not an endpoint', (text) => expect(parseEndpoint(text)).toBeUndefined());
