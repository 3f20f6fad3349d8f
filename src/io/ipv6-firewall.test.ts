import { expect, test, vi } from 'vitest';
import { SystemCallError } from '../linux/errors.ts';
import type { BaseChain } from '../linux/nftables.ts';
import { ipv6FirewallHere } from './ipv6-firewall.ts';

const kernel = vi.hoisted(() => ({ chains: [] as BaseChain[], error: 0 }));
vi.mock('../linux/nftables.ts', async (original) => ({
  ...(await original<object>()),
  nftablesGeneration: () => {
    if (kernel.error !== 0) throw new SystemCallError('nfnetlink', kernel.error);
    return 1;
  },
  findBaseChain: (wanted: (chain: BaseChain) => boolean) => kernel.chains.find(wanted),
}));

test('names the chains for IPv6 from or to this host that have rules or the policy drop', () => {
  const chain: BaseChain = {
    family: 'inet',
    table: 'filter',
    name: 'in',
    hook: 'input',
    rules: 0,
    accepts: true,
    devices: [],
  };
  kernel.chains = [
    chain,
    { ...chain, family: 'ip', rules: 3 },
    { ...chain, hook: 'forward', accepts: false },
    { ...chain, family: 'ip6', table: 'teredo-teredo', hook: 'output', rules: 1 },
    { ...chain, accepts: false },
    { ...chain, family: 'ip6', name: 'out', hook: 'output', rules: 2 },
  ];
  expect(ipv6FirewallHere()).toEqual({
    chains: ['chain in of table inet filter (policy drop)', 'chain out of table ip6 filter (rules)'],
  });
});

test('without permission to read the rules, the error is the answer', () => {
  kernel.error = 1;
  expect(ipv6FirewallHere()).toEqual({ chains: [], unreadable: 'EPERM' });
});
