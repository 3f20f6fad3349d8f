import fc from 'fast-check';
import { expect, test } from 'vitest';
import { octets, uint16, uint32 } from '../../test/support/arbitraries.ts';
import {
  copyBytes,
  equalBytes,
  fromHex,
  readUint16,
  readUint32,
  toHex,
  writeUint16,
  writeUint32,
} from './bytes.ts';

test('integers are big-endian and unsigned', () => {
  const b = Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc, 0xfb);
  expect(readUint16(b, 1)).toBe(0xfefd);
  expect(readUint32(b, 0)).toBe(0xfffefdfc);
});

test('a written value is read back, and no other octet changes', () => {
  fc.assert(
    fc.property(octets(12), uint16, uint32, (b, short, long) => {
      const before = b.slice();
      writeUint16(b, 1, short);
      writeUint32(b, 5, long);
      expect(readUint16(b, 1)).toBe(short);
      expect(readUint32(b, 5)).toBe(long);
      for (const i of [0, 3, 4, 9, 10, 11]) expect(b[i]).toBe(before[i]);
    }),
  );
});

test('bytes survive the conversion to hex and back', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (b) => {
      expect(fromHex(toHex(b))).toEqual(b);
    }),
  );
  expect(toHex(Uint8Array.of(1, 0xab, 0xc0), 1, 2)).toBe('ab');
  expect(fromHex('ABcd')).toEqual(Uint8Array.of(0xab, 0xcd));
});

test.each(['0', 'zz', '0x01', ' 01', '01 ', '-1'])('%j is not hex', (text) => {
  expect(fromHex(text)).toBeUndefined();
});

test('ranges compare and copy at offsets', () => {
  const a = Uint8Array.of(1, 2, 3, 4);
  expect(equalBytes(a, 1, Uint8Array.of(2, 3, 9), 0, 2)).toBe(true);
  expect(equalBytes(a, 1, Uint8Array.of(2, 3, 9), 0, 3)).toBe(false);
  const to = new Uint8Array(4);
  copyBytes(a, 1, to, 2, 2);
  expect(to).toEqual(Uint8Array.of(0, 0, 2, 3));
});
