import { expect, test } from 'vitest';
import type { ClientStatus, PeerStatus } from '../control/status.ts';
import { clientPath } from './client-path.ts';
import { NOBODY, knownPeers } from './known-peers.ts';
import type { KnownPeers } from './known-peers.ts';

const client = {
  role: 'client',
  state: 'qualified',
  nat: 'restricted',
  mapped: '192.0.2.1:4096',
  address: '2001::1',
  interface: 'teredo',
  server: { name: 'a.example', address: '192.0.2.9', roundTripMs: 7 },
} as unknown as ClientStatus;

function conditions(status: Partial<ClientStatus>, known: KnownPeers = NOBODY): string {
  const { nodes } = clientPath({ ...client, ...status } as ClientStatus, known);
  return nodes.map(({ kind, condition }) => `${kind} ${condition}`).join(', ');
}

test('a qualified client has all parts, those not used yet apart', () => {
  expect(conditions({})).toBe(
    'host good, nat good, server good, relay unused, internet unused, clients unused',
  );
  expect(conditions({}, { relays: ['192.0.2.7:3545'], natives: 1, unanswered: 0, clients: 2 })).toBe(
    'host good, nat good, server good, relay good, internet good, clients good',
  );
});

const OFFLINE = {
  state: 'offline',
  mapped: undefined,
  address: undefined,
} as unknown as Partial<ClientStatus>;

test('a server that does not answer is the broken part; the parts before it are not known to work', () => {
  expect(conditions({ ...OFFLINE, reason: 'no-answer' })).toBe(
    'host unknown, nat unknown, server broken, relay unused, internet unused, clients unused',
  );
});

test('a symmetric NAT is the broken part', () => {
  const { nodes, links, description } = clientPath(
    { ...client, state: 'offline', reason: 'symmetric-nat', nat: 'symmetric' } as ClientStatus,
    NOBODY,
  );
  expect(nodes.filter(({ condition }) => condition === 'broken').map(({ title }) => title)).toEqual([
    'NAT: symmetric',
  ]);
  expect(links.every(({ condition }) => condition !== 'broken')).toBe(true);
  expect(description).toMatch(/broken at the NAT/);
});

test('a client that searches has no broken part', () => {
  expect(conditions({ ...OFFLINE, state: 'probe' })).not.toMatch(/broken/);
});

test('a dormant client shows that the host has IPv6 without it', () => {
  expect(conditions({ ...OFFLINE, state: 'dormant', reason: 'native-ipv6' })).toMatch(/internet good/);
});

test('hosts for which no relay answers make the relay the broken part', () => {
  const peers = [
    { address: '2001:db8::1', trusted: false },
    { address: '2001:0:c000:201::1', trusted: true, mapped: '192.0.2.3:1' },
  ] as PeerStatus[];
  const known = knownPeers(peers);
  expect(known).toEqual({ relays: [], natives: 0, unanswered: 1, clients: 1 });
  expect(conditions({}, known)).toMatch(/relay broken, internet unused, clients good/);
});
