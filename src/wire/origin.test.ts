import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv4, port } from '../../test/support/arbitraries.ts';
import { toHex } from './bytes.ts';
import { parseIpv4 } from './ipv4.ts';
import { ORIGIN_LENGTH, originAddress, originPort, writeOrigin } from './origin.ts';

test("the RFC's own example (C-11)", () => {
  const b = new Uint8Array(8).fill(0xee);
  expect(writeOrigin(b, 0, parseIpv4('1.2.3.4')!, 337)).toBe(ORIGIN_LENGTH);
  expect(toHex(b)).toBe('0000feaefefdfcfb');
});

test('origin indications round trip', () => {
  fc.assert(
    fc.property(ipv4, port, fc.nat(9), (address, p, o) => {
      const b = new Uint8Array(o + ORIGIN_LENGTH).fill(0xee);
      expect(writeOrigin(b, o, address, p)).toBe(b.length);
      expect(originAddress(b, o)).toBe(address);
      expect(originPort(b, o)).toBe(p);
      expect([b[o], b[o + 1]]).toEqual([0, 0]);
    }),
  );
});
