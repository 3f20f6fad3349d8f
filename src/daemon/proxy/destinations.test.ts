import { expect, onTestFinished, test, vi } from 'vitest';
import { hostOf } from '../../wire/proxy-target.ts';
import { Destinations } from './destinations.ts';
import type { Address } from './resolver.ts';

const OWN = new Set(['203.0.113.7', '2001:db8::7']);
const allows = (text: string, allowPrivate = false): boolean =>
  new Destinations(allowPrivate, () => OWN).allows(hostOf(text) as Address);

test.for(['198.51.100.1', '8.8.8.8', '2001:db8::1', '2001:0:cb00:7178::1', '2a00::1', '64.0.0.1'])(
  '%s',
  (address) => {
    expect(allows(address)).toBe(true);
  },
);

test.for([
  ['127.0.0.1', '127.255.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', '::127.0.0.1'],
  ['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', '::ffff:10.0.0.1'],
  [
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    'ff02::1',
    'fe80::1',
    'fec0::1',
    'fd00::1',
    '64:ff9b::7f00:1',
  ],
  ['203.0.113.7', '2001:db8::7', '::ffff:203.0.113.7'],
])('none of this host and its networks: %j', (addresses) => {
  for (const address of addresses) expect(allows(address), address).toBe(false);
});

test('a closed network has private addresses', () => {
  for (const address of ['10.0.0.1', '192.168.1.1']) expect(allows(address, true)).toBe(true);
  for (const address of ['127.0.0.1', '203.0.113.7', 'fe80::1']) expect(allows(address, true)).toBe(false);
});

test('without a descriptor the host cannot read its addresses: those of the last time count, and nothing is allowed before', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const results: (() => ReadonlySet<string>)[] = [() => fail(), () => new Set(['2001:db8::1']), () => fail()];
  const destinations = new Destinations(false, () => results.shift()!());
  const allows = (text: string): boolean => destinations.allows(hostOf(text) as Address);
  expect(allows('2001:db8::2')).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect([allows('2001:db8::2'), allows('2001:db8::1')]).toEqual([true, false]);
  vi.advanceTimersByTime(1_000);
  expect([allows('2001:db8::2'), allows('2001:db8::1')]).toEqual([true, false]);
  expect(results).toEqual([]);
});

function fail(): never {
  throw new Error('EMFILE');
}
