import { expect, test } from 'vitest';
import { parseIpv6 } from '../../wire/index.ts';
import { sourceOf, sourceOfUser } from './source-path.ts';

const of = (text: string): readonly number[] => sourceOf(parseIpv6(text)!);

test('hosts of one /64 are one source; those of a /48 and a /32 share the beginning', () => {
  expect(of('2a00:1:2:3::1')).toEqual(of('2a00:1:2:3:4::9'));
  expect(of('2a00:1:2:3::')).toEqual([0x2a000001, 2, 0x20003]);
  expect(of('2a00:1:2:4::')).toEqual([0x2a000001, 2, 0x20004]);
  expect(of('2a00:1:3:4::')).toEqual([0x2a000001, 3, 0x30004]);
});

test('a Teredo client is the source of its mapped address, whatever its server', () => {
  expect(of('2001:0:cb00:7178:0:f227:39cc:9bfd')).toEqual(sourceOf(Uint8Array.of(198, 51, 100, 2)));
  expect(of('2001:0:cb00:7179:0:f227:39cc:9bfd')).toEqual(sourceOf(Uint8Array.of(198, 51, 100, 2)));
  expect(sourceOf(Uint8Array.of(198, 51, 100, 2))).toEqual([0xc633, 0xc63364, 0xc6336402]);
});

test('users of this host are sources of one whole', () => {
  const [one, other] = [sourceOfUser(1), sourceOfUser(2)];
  expect(one[0]).toBe(other[0]);
  expect(one[1]).not.toBe(other[1]);
  expect(sourceOfUser(undefined)[1]).not.toBe(sourceOfUser(2 ** 32 - 1)[1]);
});
