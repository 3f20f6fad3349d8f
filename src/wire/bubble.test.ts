import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ipv6, uint8 } from '../../test/support/arbitraries.ts';
import { payloadOf } from '../../test/support/vectors.ts';
import { buildBubble, isBubble, writeBubble } from './bubble.ts';
import { DESTINATION, NEXT_HEADER, SOURCE, checkIpv6, hopLimit } from './ipv6.ts';

test('bubbles round trip, whatever the hop limit (C-18, C-30)', () => {
  fc.assert(
    fc.property(ipv6, ipv6, uint8, (source, destination, hops) => {
      const b = buildBubble(source, destination, hops);
      expect(b.length).toBe(40);
      expect(checkIpv6(b, 0, 40)).toBeUndefined();
      expect(isBubble(b, 0)).toBe(true);
      expect(hopLimit(b, 0)).toBe(hops);
      expect(b.subarray(SOURCE, DESTINATION)).toEqual(source);
      expect(b.subarray(DESTINATION)).toEqual(destination);
    }),
  );
});

test('addresses are copied from their offsets', () => {
  const received = payloadOf('EX7');
  const b = new Uint8Array(44).fill(0xee);
  expect(writeBubble(b, 4, received, DESTINATION, received, SOURCE, 255)).toBe(44);
  expect(b.subarray(4)).toEqual(payloadOf('EX12').subarray(0, 40));
});

test('next header 59 with a payload is not a bubble, nor is an empty packet with another next header (C-19)', () => {
  const b = payloadOf('EX7');
  b[5] = 4;
  expect(isBubble(b, 0)).toBe(false);
  b[4] = 1;
  b[5] = 0;
  expect(isBubble(b, 0)).toBe(false);
  b[4] = 0;
  expect(isBubble(b, 0)).toBe(true);
  b[6] = NEXT_HEADER.UDP;
  expect(isBubble(b, 0)).toBe(false);
});
