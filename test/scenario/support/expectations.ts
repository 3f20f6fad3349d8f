import { expect } from 'vitest';
import type { Ipv6Host, Ping, SimClient, World } from '../../../src/sim/index.ts';

/** Time for a client to qualify without loss: four one-way trips of 50 ms, and some slack. */
const QUALIFIED_WITHIN_MS = 1_000;

export function expectQualified(world: World, within: number, ...clients: readonly SimClient[]): void {
  const all = (): boolean => clients.every((client) => client.machine.state === 'qualified');
  world.runUntil(all, within);
  for (const client of clients) expect(client.machine.state, client.status.reason).toBe('qualified');
}

export function expectQualifiedSoon(world: World, ...clients: readonly SimClient[]): void {
  expectQualified(world, QUALIFIED_WITHIN_MS, ...clients);
}

/** Returns the round trip (ms); fails without a reply. */
export function expectReply(world: World, ping: Ping, within: number): number {
  world.runUntil(() => ping.repliedAt !== undefined, within);
  expect(ping.repliedAt, `no reply within ${within} ms`).toBeDefined();
  return ping.repliedAt! - ping.sentAt;
}

/** Sends a ping every `interval` ms for `duration` ms. */
export function pingSteadily(
  world: World,
  from: Ipv6Host,
  to: Ipv6Host,
  interval: number,
  duration: number,
): Ping[] {
  const pings: Ping[] = [];
  const end = world.now + duration;
  const destination = to.address;
  const next = (): void => {
    // A host without an address cannot send.
    if (from.addresses.length > 0) pings.push(from.ping(destination));
    if (world.now + interval < end) world.after(interval, next);
  };
  next();
  return pings;
}
