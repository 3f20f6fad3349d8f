import { expect, test } from 'vitest';
import { parseIpv6 } from '../../wire/index.ts';
import { Admission, sourceOf } from './admission.ts';

test('a newcomer gets a place of the source with most', () => {
  const places = new Admission(4);
  const ended: string[] = [];
  for (const name of ['a1', 'a2', 'a3', 'a4'])
    expect(places.admit('a', () => ended.push(name))).toBeDefined();
  expect(places.admit('a', () => {})).toBeUndefined();
  expect(places.admit('b', () => {})).toBeDefined();
  expect(places.admit('b', () => {})).toBeDefined();
  expect(ended).toEqual(['a4', 'a3']);
  expect(places.admit('b', () => {})).toBeUndefined();
  expect(places.admit('a', () => {})).toBeUndefined();
});

test('a place that was left is free, once', () => {
  const places = new Admission(1);
  const first = places.admit('a', () => {})!;
  first.leave();
  first.leave();
  expect(places.admit('b', () => {})).toBeDefined();
  expect(places.admit('c', () => {})).toBeUndefined();
});

test('a source is an IPv4 address, a /64, or the mapped address of a Teredo client', () => {
  const one = Uint8Array.from({ length: 16 }, (_, i) => i);
  const other = Uint8Array.from(one).fill(9, 8);
  expect(sourceOf(one)).toBe(sourceOf(other));
  const [client, neighbour] = [
    parseIpv6('2001:0:cb00:7178:0:f227:39cc:9bfd')!,
    parseIpv6('2001:0:cb00:7178:0:f227:39cc:9bfe')!,
  ];
  expect(sourceOf(client)).toBe('198.51.100.2');
  expect(sourceOf(neighbour)).toBe('198.51.100.1');
  expect(sourceOf(Uint8Array.of(1, 2, 3, 4))).not.toBe(sourceOf(Uint8Array.of(1, 2, 3, 5)));
});
