import fc from 'fast-check';
import { expect, test } from 'vitest';
import { octets, uint8 } from '../../test/support/arbitraries.ts';
import { payloadOf, vectors } from '../../test/support/vectors.ts';
import {
  authenticatedBytes,
  authenticationLength,
  parseAuthentication,
  writeAuthentication,
} from './authentication.ts';
import { toHex } from './bytes.ts';

const header = fc.record({
  clientId: fc.uint8Array({ maxLength: 255, size: 'max' }),
  value: fc.uint8Array({ maxLength: 255, size: 'max' }),
  nonce: octets(8),
  confirmation: uint8,
});

test('the header round trips, 13 to 523 octets (C-12)', () => {
  expect([authenticationLength(0, 0), authenticationLength(255, 255)]).toEqual([13, 523]);
  fc.assert(
    fc.property(header, fc.nat(9), (h, o) => {
      const length = authenticationLength(h.clientId.length, h.value.length);
      const b = new Uint8Array(o + length + 3).fill(0xee);
      expect(writeAuthentication(b, o, h)).toBe(o + length);
      const read = parseAuthentication(b, o, b.length)!;
      expect(read).toMatchObject({ start: o, end: o + length, confirmation: h.confirmation });
      expect(b.subarray(read.clientId.start, read.clientId.end)).toEqual(h.clientId);
      expect(b.subarray(read.value.start, read.value.end)).toEqual(h.value);
      expect(b.subarray(read.nonceOffset, read.nonceOffset + 8)).toEqual(h.nonce);
      expect(b.subarray(o + length)).toEqual(Uint8Array.of(0xee, 0xee, 0xee));
      for (const end of [o, o + 1, o + 3, o + 4, o + length - 1]) {
        expect(parseAuthentication(b, o, end)).toBeUndefined();
      }
    }),
  );
});

test.each([
  ['EX3', 41, undefined, 41],
  ['EX4', 41, 41, 49],
])('the octets that %s authenticates (C-25)', (name, headerEnd, origin, ipv6Start) => {
  const b = payloadOf(name);
  const authentication = parseAuthentication(b, 0, b.length)!;
  expect(authentication.end).toBe(headerEnd);
  const bytes = authenticatedBytes(b, authentication, origin, ipv6Start, b.length);
  expect(toHex(bytes)).toBe(vectors.hmac.find((hmac) => hmac.name === name)!.input);
});
