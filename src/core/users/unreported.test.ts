import { expect, test } from 'vitest';
import { v6 } from '../../../test/support/client-rig.ts';
import { NO_TRAFFIC } from '../peer-traffic.ts';
import type { HeavyUsers } from './heavy-users.ts';
import { firstOf, withUnreported } from './unreported.ts';

const NOW = 1e6;
const userOf = (address: string, receivedBytes: number) => ({
  ...{ address: v6(address), receivedBytes },
  ...{ sentBytes: 1, errorBytes: 0 },
});
const USERS: HeavyUsers = {
  ms: 60_000,
  peers: { totalBytes: 63, missedBytes: 0, users: [userOf('::1', 30), userOf('::2', 20), userOf('::3', 10)] },
  prefixes: { totalBytes: 63, missedBytes: 0, users: [userOf('2001:db8::', 60), userOf('2001:db9::', 1)] },
};
const restOf = (peer: Uint8Array) => {
  const receivedBytes = peer[15]! * 100;
  return { ...NO_TRAFFIC, receivedBytes, lastAt: peer[15] === 3 ? NOW - 60_001 : NOW - 60_000 };
};

test('octets that are not reported yet count in the window of their time, and for the order', () => {
  const { peers, prefixes } = withUnreported(USERS, restOf, NOW);
  expect(peers.users.map(({ receivedBytes, sentBytes }) => [receivedBytes, sentBytes])).toEqual([
    [220, 1],
    [130, 1],
    [10, 1],
  ]);
  expect([peers.totalBytes, prefixes]).toEqual([63 + 300, USERS.prefixes]);
});

test('so many of each', () => {
  const { peers, prefixes } = firstOf(USERS, 1);
  expect([peers.users, prefixes.users]).toEqual([[USERS.peers.users[0]], [USERS.prefixes.users[0]]]);
});
