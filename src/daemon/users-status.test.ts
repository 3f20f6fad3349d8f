import { expect, test } from 'vitest';
import { teredo, v6 } from '../../test/support/client-rig.ts';
import type { HeavyUsers } from '../core/users/index.ts';
import { largestUsers, usersStatus } from './users-status.ts';

const CLIENT = teredo({ address: 0xcb00_7178, port: 3544 }, { address: 0xc633_6402, port: 40_000 });

const USERS: HeavyUsers = {
  ms: 64_321,
  peers: {
    totalBytes: 4_000,
    missedBytes: 0,
    users: [{ address: CLIENT, receivedBytes: 1_000, sentBytes: 333, errorBytes: 0 }],
  },
  prefixes: {
    totalBytes: 0,
    missedBytes: 0,
    users: [{ address: v6('2001:db8:1:2::'), receivedBytes: 0, sentBytes: 0, errorBytes: 0 }],
  },
};

test('the JSON of users', () => {
  const status = usersStatus('minute', USERS);
  expect(status).toEqual({
    window: 'minute',
    windowSeconds: 64.3,
    exact: true,
    totalBytes: 4_000,
    missedPeerBytes: 0,
    missedPrefixBytes: 0,
    peers: [
      {
        address: '2001:0:cb00:7178:0:63bf:39cc:9bfd',
        mapped: '198.51.100.2:40000',
        receivedBytes: 1_000,
        sentBytes: 333,
        errorBytes: 0,
        share: 0.3333,
      },
    ],
    prefixes: [{ prefix: '2001:db8:1:2::/64', receivedBytes: 0, sentBytes: 0, errorBytes: 0, share: 0 }],
  });
  expect(largestUsers(USERS)).toEqual({ largestPeer: status.peers[0], largestPrefix: status.prefixes[0] });
});

test.for(['peers', 'prefixes'] as const)('%s that are missing or have an error are not exact', (kind) => {
  const missing = { ...USERS, [kind]: { ...USERS[kind], missedBytes: 1 } };
  const inexact = {
    ...USERS,
    [kind]: { ...USERS[kind], users: [{ ...USERS[kind].users[0], errorBytes: 1 }] },
  };
  expect([usersStatus('day', missing).exact, usersStatus('day', inexact as HeavyUsers).exact]).toEqual([
    false,
    false,
  ]);
});

test('without traffic there is no largest user', () => {
  const none = { totalBytes: 0, missedBytes: 0, users: [] };
  expect(largestUsers({ ms: 0, peers: none, prefixes: none })).toEqual({});
});
