import { expect, test } from 'vitest';
import { daemonOf, fragmentFor, tokenOf } from './address-bar.ts';

test('token and daemon are in the fragment; another daemon keeps the token', () => {
  expect([tokenOf('#token=ab&daemon=one'), daemonOf('#token=ab&daemon=one')]).toEqual(['ab', 'one']);
  expect([tokenOf(''), daemonOf('')]).toEqual([undefined, undefined]);
  const fragment = fragmentFor('#token=ab', 'a&token=b');
  expect([tokenOf(fragment), daemonOf(fragment)]).toEqual(['ab', 'a&token=b']);
});
