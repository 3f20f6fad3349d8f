import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  buildNatPmpAddressRequest,
  buildNatPmpMapRequest,
  fromHex,
  parseIpv4,
  parseNatPmpAnswer,
  toHex,
} from './index.ts';

const read = (hex: string) => parseNatPmpAnswer(fromHex(hex.replaceAll(' ', ''))!);

test('requests as in RFC 6886 sections 3.2 and 3.3', () => {
  expect(toHex(buildNatPmpAddressRequest())).toBe('0000');
  expect(toHex(buildNatPmpMapRequest(40_000, 40_000, 7_200))).toBe('000100009c409c4000001c20');
  expect(toHex(buildNatPmpMapRequest(40_000, 0, 0)), 'section 3.4: an end').toBe('000100009c40000000000000');
});

test('answers as in RFC 6886 sections 3.2 and 3.3', () => {
  expect(read('00 80 0000 00000010 c0000201')).toEqual({
    kind: 'external-address',
    address: parseIpv4('192.0.2.1'),
    epochSeconds: 16,
  });
  expect(read('00 81 0000 00000010 9c40 9c41 00001c20')).toEqual({
    kind: 'mapping',
    internalPort: 40_000,
    externalPort: 40_001,
    lifetimeSeconds: 7_200,
    epochSeconds: 16,
  });
});

test('refusals, however short', () => {
  expect(read('00 81 0002')).toEqual({ kind: 'refused', resultCode: 2 });
  expect(read('00 80 0003 00000010 00000000')).toEqual({ kind: 'refused', resultCode: 3 });
});

test.for([
  ['nothing', ''],
  ['a request', '00 00'],
  ['a request to map', '00 01 0000 9c40 9c40 00001c20'],
  ['another version', '02 80 0000 00000010 c0000201'],
  ['an answer for TCP', '00 82 0000 00000010 9c40 9c41 00001c20'],
  ['an address cut short', '00 80 0000 00000010 c00002'],
  ['a mapping cut short', '00 81 0000 00000010 9c40 9c41 00001c'],
] as const)('%s is no answer', ([, hex]) => {
  expect(read(hex)).toBeUndefined();
});

test('any bytes are parsed without an exception', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void parseNatPmpAnswer(bytes)));
});
