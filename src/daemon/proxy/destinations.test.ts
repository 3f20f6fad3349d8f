import { expect, onTestFinished, test, vi } from 'vitest';
import { parseIpv4 } from '../../wire/index.ts';
import { hostOf } from '../../wire/proxy-target.ts';
import { Destinations } from './destinations.ts';
import type { OwnAddresses } from './destinations.ts';
import type { Address } from './resolver.ts';

const OWN: OwnAddresses = {
  addresses: new Set(['62.1.0.7', '2a00::7', '172.30.0.7']),
  subnets: [
    { address: parseIpv4('62.1.0.7')!, prefixLength: 24 },
    { address: parseIpv4('172.30.0.7')!, prefixLength: 16 },
  ],
};
const NAT = parseIpv4('62.9.9.9');

const allows = (text: string, allowPrivate = false): boolean =>
  new Destinations({ allowPrivate, mapped: () => NAT, readOwn: () => OWN }).allows(hostOf(text) as Address);

test.for([
  ['8.8.8.8', '62.1.1.1', '192.0.1.1', '198.17.0.1', '198.20.0.1', '100.128.0.1', '223.255.255.1'],
  // 6to4 and Teredo, with 8.8.8.8
  ['2a00::1', '2001:db9::1', '2001:4860:4860::8888', '2002:808:808::1', '2001:0:808:404:0:1:f7f7:f7f7'],
])('addresses of the Internet: %j', (addresses) => {
  for (const address of addresses) expect(allows(address), address).toBe(true);
});

const CLOSED: readonly string[][] = [
  ['10.0.0.1', '172.16.0.1', '192.168.1.1', '::ffff:10.0.0.1', '100.64.0.1', '100.127.255.255'],
  ['198.18.0.1', '198.19.255.255', '192.0.2.1', '198.51.100.1', '203.0.113.1'],
  ['2001:db8::1', '3fff::1', '2001:2::1', '2001:10::1', '2001:2f::1'],
  // 6to4 and Teredo, with 10.0.0.1 and 198.51.100.2
  ['2002:a00:1::1', '2001:0:808:404:0:1:f5ff:fffe', '2002:c633:6402::1', '2001:0:808:404:0:1:39cc:9bfd'],
];

test.for(CLOSED)('addresses of closed networks are refused, and allowed in one: %j', (addresses) => {
  for (const address of addresses) {
    expect(allows(address), address).toBe(false);
    expect(allows(address, true), address).toBe(true);
  }
});

test.for([
  ['127.0.0.1', '127.255.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', '::127.0.0.1'],
  ['169.254.169.254', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255', '192.0.0.1'],
  ['192.88.99.1', 'ff02::1', 'ff0e::1', 'fe80::1', 'fec0::1', 'fd00::1'],
  [
    '64:ff9b::808:808',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '::ffff:0:808:808',
    '2002:7f00:1::1',
    '2002:e000:1::',
  ],
  ['2001:0:808:404:0:1:80ff:fffe', '2001:0:808:404::1', '4000::1', '1fff::1'],
  ['62.1.0.7', '2a00::7', '::ffff:62.1.0.7', '172.30.0.7'],
  ['62.1.0.1', '62.1.0.255', '62.9.9.9', '::ffff:62.9.9.9'],
])('refused also in a closed network, as those of this host, its links and its NAT: %j', (addresses) => {
  for (const address of addresses) {
    expect(allows(address), address).toBe(false);
    expect(allows(address, true), address).toBe(false);
  }
});

test('in a closed network private addresses of the own link are hosts of that network', () => {
  expect([allows('172.30.0.1', true), allows('172.30.0.1')]).toEqual([true, false]);
});

test('the address of the NAT is refused while the client qualifies again, and the new one afterwards', () => {
  let mapped: number | undefined = NAT;
  const destinations = new Destinations({ allowPrivate: false, mapped: () => mapped, readOwn: () => OWN });
  const allowed = (text: string): boolean => destinations.allows(hostOf(text) as Address);
  expect([allowed('62.9.9.9'), allowed('62.9.9.8')]).toEqual([false, true]);
  mapped = undefined;
  expect([allowed('62.9.9.9'), allowed('62.9.9.8')]).toEqual([false, true]);
  mapped = parseIpv4('62.9.9.8');
  expect([allowed('62.9.9.9'), allowed('62.9.9.8')]).toEqual([true, false]);
});

test('without a descriptor the host cannot read its addresses: those of the last time count, and nothing is allowed before', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const one: OwnAddresses = { addresses: new Set(['2a00::1']), subnets: [] };
  const results: (() => OwnAddresses)[] = [() => fail(), () => one, () => fail()];
  const readOwn = (): OwnAddresses => results.shift()!();
  const destinations = new Destinations({ allowPrivate: false, mapped: () => undefined, readOwn });
  const allowed = (text: string): boolean => destinations.allows(hostOf(text) as Address);
  expect(allowed('2a00::2')).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect([allowed('2a00::2'), allowed('2a00::1')]).toEqual([true, false]);
  vi.advanceTimersByTime(1_000);
  expect([allowed('2a00::2'), allowed('2a00::1')]).toEqual([true, false]);
  expect(results).toEqual([]);
});

function fail(): never {
  throw new Error('EMFILE');
}
