import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test, vi } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import type { RankedPeer } from '../control/peer-order.ts';
import { LogLines } from '../io/log-lines.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import type { Relay } from '../runtime/relay.ts';
import { makeTeredoAddress } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { readinessOf } from './readiness.ts';
import { RelayRole } from './relay-role.ts';

const ADDRESS = v4('192.0.2.10');

test('a relay has an announcement to withdraw, a host-specific relay has none', () => {
  const can = (['relay', 'host-relay'] as const).map((role) => {
    const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
    const settings = { address: ADDRESS, port: 3545, interface: 'teredo' };
    const { drain, beforeEnd } = new RelayRole(role, settings, ports, { end: () => {}, changed: () => {} });
    return [drain !== undefined, beforeEnd !== undefined];
  });
  expect(can).toEqual([
    [true, true],
    [false, false],
  ]);
});

test('the time in the state begins with the withdrawal', async () => {
  vi.spyOn(LogLines.prototype, 'write').mockImplementation(() => {});
  onTestFinished(() => void vi.restoreAllMocks());
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
  const settings = { address: ADDRESS, port: 3545, interface: 'teredo' };
  const relay = new RelayRole('relay', settings, ports, { end: () => {}, changed: () => {} });
  onTestFinished(() => relay.close());
  const [now, real] = [{ later: 0 }, performance.now.bind(performance)];
  vi.spyOn(performance, 'now').mockImplementation(() => real() + now.later);
  await relay.start();
  now.later = 60_000;
  const before = relay.status('r');
  expect(before).toMatchObject({ state: 'running', stateSeconds: before.uptimeSeconds });
  expect(await relay.drain!()).toBe(true);
  now.later += 7_000;
  const draining = relay.status('r');
  expect(draining.state).toBe('draining');
  expect(draining.stateSeconds).toBeGreaterThanOrEqual(7);
  expect(draining.stateSeconds).toBeLessThan(draining.uptimeSeconds);
});

/** A relay with peers of which the kernel has not reported all octets: of the peer with number i these are i. */
function carryingRelay(count: number): RelayRole {
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
  const settings = { address: ADDRESS, port: 3545, interface: 'teredo' };
  const role = new RelayRole('relay', settings, ports, { end: () => {}, changed: () => {} });
  const { relay } = role as unknown as { relay: Relay };
  const addresses: Ipv6[] = [];
  for (let i = 0; i < count; i++) {
    const pair = { mappedAddress: 0x0808_0000 + i, mappedPort: 4_000 };
    addresses.push(makeTeredoAddress({ server: 0x0909_0909, flags: 0, ...pair }));
    relay.peers.trust(relay.peers.insert(addresses[i]!, 0), 0);
  }
  vi.spyOn(relay, 'unreportedOctets').mockImplementation(function* (see) {
    for (const [i, address] of addresses.entries()) {
      if (i > 0) see(address, i);
      if (i % 256 === 255) yield;
    }
  });
  return role;
}

test('a walk by traffic has each peer once, with the octets that the kernel has not reported', () => {
  onTestFinished(() => void vi.restoreAllMocks());
  const role = carryingRelay(1_000);
  const octets = [...role.rankedPeers('traffic')].flatMap((peer) => peer?.octets ?? []);
  expect(octets.toSorted((one, other) => one - other)).toEqual(octets.map((_, i) => i));
  expect(octets).toHaveLength(1_000);
});

test('32 walks at once, as any local user may begin them, keep less than a megabyte for 20,000 peers', () => {
  onTestFinished(() => void vi.restoreAllMocks());
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const role = carryingRelay(20_000);
  const walk = (): Iterator<RankedPeer | undefined> => {
    const peers = role.rankedPeers('traffic');
    // The kernel's table has been read, and the peers are walked.
    for (let count = 0; count < 19_998;) if (peers.next().value !== undefined) count++;
    return peers;
  };
  walk();
  const before = used();
  const walks = Array.from({ length: 32 }, walk);
  expect(used() - before).toBeLessThan(1 << 20);
  const nextOf = (peers: Iterator<RankedPeer | undefined>): RankedPeer | undefined => {
    for (;;) {
      const { done, value } = peers.next();
      if (done === true || value !== undefined) return value as RankedPeer | undefined;
    }
  };
  expect(walks.map(nextOf)).not.toContain(undefined);
});

test('no step of a walk by traffic looks at more than some peers, if the kernel carries all of them', () => {
  onTestFinished(() => void vi.restoreAllMocks());
  const role = carryingRelay(20_000);
  const { relay } = role as unknown as { relay: Relay };
  let [seen, most] = [0, 0];
  const walk = relay.peers.walkInSteps.bind(relay.peers);
  vi.spyOn(relay.peers, 'walkInSteps').mockImplementation(function* () {
    for (const peer of walk()) {
      seen++;
      yield peer;
    }
  });
  for (const _ of role.rankedPeers('traffic')) {
    most = Math.max(most, seen);
    seen = 0;
  }
  expect(most).toBeLessThanOrEqual(256);
});

test('a short status asks neither the kernel nor the machine for users', async () => {
  vi.spyOn(LogLines.prototype, 'write').mockImplementation(() => {});
  onTestFinished(() => void vi.restoreAllMocks());
  const role = carryingRelay(1);
  const { relay } = role as unknown as { relay: Relay };
  const users = vi.spyOn(relay, 'users');
  expect(readinessOf(role.status('r', true))).toEqual(readinessOf(role.status('r', true)));
  expect(users).not.toHaveBeenCalled();
  expect(readinessOf(role.status('r'))).toEqual(readinessOf(role.status('r', true)));
  expect(users).toHaveBeenCalledOnce();
});
