import { expect, test } from 'vitest';
import type { RelayStatus } from '../control/status.ts';
import { readinessOf } from './readiness.ts';

const relay = {
  role: 'relay',
  state: 'running',
  address: '192.0.2.1',
  port: 3545,
  dataPath: { inUse: 'kernel' },
} as RelayStatus;

test.each<[of: string, status: RelayStatus, isReady: boolean, words: RegExp]>([
  ['a relay', { ...relay, forwards: true }, true, /^running at 192\.0\.2\.1:3545, kernel path$/],
  ['a relay that drains', { ...relay, state: 'draining', forwards: true }, false, /^draining at/],
  [
    'a relay on a host that does not forward',
    { ...relay, forwards: false },
    false,
    /does not forward IPv6: sysctl/,
  ],
  ['a host-specific relay', { ...relay, role: 'host-relay' }, true, /^running at/],
])('%s', (_, status, isReady, words) => {
  expect(readinessOf(status)).toMatchObject({ isReady, words: expect.stringMatching(words) as string });
});
