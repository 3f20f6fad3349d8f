import { expect, test } from 'vitest';
import { RecentTargets } from './recent-targets.ts';
import type { Address } from './resolver.ts';

const ADDRESS: Address = { kind: 'ipv4', address: 0x08080808 };
const NAME = { kind: 'name', name: 'a.example' } as const;

test('while a name is looked up, few datagrams to it wait: the others are lost', async () => {
  let answer!: (found: readonly Address[]) => void;
  const found = new Promise<readonly Address[]>((resolve) => (answer = resolve));
  const targets = new RecentTargets(
    { addressesOf: async () => await found },
    { source: [1, 1, 1], gone: new AbortController().signal },
  );
  const asked = Array.from({ length: 1_000 }, () => targets.addressOf(NAME, 1_000));
  answer([ADDRESS]);
  const addresses = await Promise.all(asked);
  expect(addresses.filter((address) => address !== undefined)).toHaveLength(65);
  expect(await targets.addressOf(NAME, 1_000)).toEqual(ADDRESS);
  expect(await targets.addressOf(NAME, 65_000)).toEqual(ADDRESS);
});
