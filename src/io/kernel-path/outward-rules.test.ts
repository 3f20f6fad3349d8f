import { beforeEach, expect, test, vi } from 'vitest';
import { SystemCallError } from '../../linux/errors.ts';
import { OutwardRules } from './outward-rules.ts';

const EPERM = 1;
const host = { isMute: false, hasPolicies: false };
vi.mock('../../linux/nftables.ts', async (original) => ({
  ...(await original<object>()),
  nftablesGeneration: () => {
    if (host.isMute) throw new SystemCallError('NFT_MSG_GETGEN', EPERM);
    return undefined;
  },
  findBaseChain: () => undefined,
}));
vi.mock('../../linux/ipsec.ts', () => ({
  hasIpsecPolicies: () => {
    if (host.isMute) throw new SystemCallError('XFRM_MSG_GETSPDINFO', EPERM);
    return host.hasPolicies;
  },
}));

beforeEach(() => Object.assign(host, { isMute: false, hasPolicies: false }));

test('rules that cannot be read are named, and the previous ones stay in force', () => {
  const rules = new OutwardRules();
  host.hasPolicies = true;
  expect(rules.look()).toBe(true);
  expect([rules.unknown, rules.against('wan')]).toEqual([undefined, 'IPsec has policies']);
  host.isMute = true;
  rules.look();
  expect(rules.unknown).toBe("this host's rules cannot be read: nftables (EPERM), IPsec (EPERM)");
  expect(rules.against('wan')).toBe('IPsec has policies');
  host.isMute = false;
  rules.look();
  expect(rules.unknown).toBeUndefined();
});
