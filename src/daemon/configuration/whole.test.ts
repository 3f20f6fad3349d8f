import { expect, test } from 'vitest';
import { parseIpv4 } from '../../wire/index.ts';
import { namedSecondary } from '../second-address.ts';
import { faultsOfWhole } from './whole.ts';

const [ADDRESS, NEXT, OTHER] = ['192.0.2.1', '192.0.2.2', '198.51.100.2'].map((text) => parseIpv4(text)!) as [
  number,
  number,
  number,
];

test('an announced second address is for a server that has a second one', () => {
  const both = { address: ADDRESS, announceSecondary: OTHER };
  expect(faultsOfWhole('server', { ...both, secondary: 'none' })).toEqual([
    { option: 'announceSecondary', message: expect.stringContaining('needs "secondary", too') as string },
  ]);
  expect(faultsOfWhole('server', both)).toEqual([]);
  expect(namedSecondary(both)).toBe(NEXT);
  const last = parseIpv4('223.255.255.255')!;
  expect(faultsOfWhole('server', { ...both, address: last })).toMatchObject([{ option: 'secondary' }]);
});

test('without an announced one, the host decides whether there is a second address', () => {
  expect(faultsOfWhole('server', { address: ADDRESS })).toEqual([]);
  expect(namedSecondary({ address: ADDRESS })).toBeUndefined();
});
