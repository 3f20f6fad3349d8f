/** A NAT forgets its mappings during traffic between two clients: they reach each other again without a restart. */
import { describe, expect, test } from 'vitest';
import { Internet, NAT_KINDS } from '../../src/sim/index.ts';
import type { Nat, NatOptions, Ping, SimClient } from '../../src/sim/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { expectQualifiedSoon } from './support/expectations.ts';
import { seededTest, seeds, withSeed } from './support/with-seed.ts';

/**
 * Limits from the first lost packet, also if ports have to be guessed again. If both NATs forget at once a guess begins when the
 * second client has noticed.
 */
const [FOUND_MS, BOTH_MS] = [5_000, 6_000];
/** The first guess hits by chance: the median of this many seeds counts. */
const SEEDS = 5;
const PING_INTERVAL_MS = 250;
/** Losses at different times after the last question. */
const MOMENTS = IS_ALL ? 50 : 7;
/** A guess finds none of the ports once in 800 times, by chance. */
const MISSES = IS_ALL ? 1 : 0;
/** A stream flows if this many datagrams arrive in a row. */
const [STREAM_INTERVAL_MS, IN_A_ROW] = [200, 8];
const PORT = 9;

const preserving = { ...NAT_KINDS.symmetric, ports: 'preserving' } as const satisfies NatOptions;
const open = {
  ...NAT_KINDS.symmetricSequential,
  filtering: 'endpoint-independent',
} as const satisfies NatOptions;
const stable = { ...NAT_KINDS.portRestricted, ports: 'random' } as const satisfies NatOptions;

const PAIRS: readonly [string, NatOptions, string, NatOptions][] = [
  ['full cone', NAT_KINDS.fullCone, 'port-restricted', NAT_KINDS.portRestricted],
  ['port-restricted', stable, 'port-restricted', stable],
  ['full cone', NAT_KINDS.fullCone, 'symmetric', NAT_KINDS.symmetric],
  ['address-restricted', NAT_KINDS.addressRestricted, 'symmetric, preserving', preserving],
  ['port-restricted', NAT_KINDS.portRestricted, 'symmetric, preserving', preserving],
  ['port-restricted', stable, 'symmetric, counting', NAT_KINDS.symmetricSequential],
  ['symmetric, preserving', preserving, 'symmetric, preserving', preserving],
  ['symmetric, counting, admitting all senders', open, 'port-restricted', NAT_KINDS.portRestricted],
  [
    'symmetric, counting',
    NAT_KINDS.symmetricSequential,
    'symmetric, counting',
    NAT_KINDS.symmetricSequential,
  ],
  ['symmetric, random', NAT_KINDS.symmetric, 'port-restricted', NAT_KINDS.portRestricted],
  ['symmetric, random', NAT_KINDS.symmetric, 'port-restricted, random', stable],
  ['port-restricted', NAT_KINDS.portRestricted, 'symmetric, random', NAT_KINDS.symmetric],
  ['port-restricted, random', stable, 'symmetric, random', NAT_KINDS.symmetric],
];

describe('after the loss of mappings during traffic, clients reach each other again', () => {
  for (const [nameA, kindA, nameB, kindB] of PAIRS) {
    for (const lost of ['first', 'second', 'both'] as const) {
      test(`${nameA} with ${nameB}, of the ${lost}`, () => {
        const times = seeds(SEEDS).map((seed) =>
          withSeed(seed, () => timeToFindAgain(new Internet({ seed }), kindA, kindB, lost)),
        );
        expect(median(times)).toBeLessThanOrEqual(lost === 'both' ? BOTH_MS : FOUND_MS);
        expect(Math.max(...times)).toBeLessThanOrEqual(BOTH_MS + FOUND_MS);
      });
    }
  }
});

/** Of the receiver's NAT in traffic in one direction, at each moment between two questions of the sender. */
describe('after a loss, a stream in one direction flows again', () => {
  for (const [nameA, kindA, nameB, kindB] of PAIRS) {
    for (const lost of ['first', 'second', 'both'] as const) {
      test(`${nameA} to ${nameB}, of the ${lost}`, () => {
        const times = seeds(MOMENTS).map((seed) =>
          withSeed(seed, () => timeToFlow(new Internet({ seed, delayMs: 2 }), kindA, kindB, lost, seed)),
        );
        expect(times.filter((time) => time > FOUND_MS).length, times.join(' ')).toBeLessThanOrEqual(MISSES);
      });
    }
  }
});

describe('a NAT that is restarted repeatedly', () => {
  for (const [name, kindA, kindB] of [
    ['guessed', NAT_KINDS.symmetric, NAT_KINDS.portRestricted],
    ['counted', NAT_KINDS.symmetricSequential, NAT_KINDS.symmetricSequential],
  ] as const) {
    seededTest(name, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const nats = [net.addNat(kindA), net.addNat(kindB)] as const;
      const [a, b] = [net.addClient({ behind: nats[0] }), net.addClient({ behind: nats[1] })];
      expectQualifiedSoon(net.world, a, b);
      expect(timeToReply(net, a, b), 'the first time').toBeLessThan(10_000);
      for (let time = 1; time <= 5; time++) {
        talk(net, a, b, 25_000);
        talk(net, b, a, 2_000);
        nats[0].flush();
        expect(timeToReply(net, a, b), `restart ${time}`).toBeLessThanOrEqual(FOUND_MS);
      }
    });
  }
});

describe('two clients, each behind two NATs in series', () => {
  for (const localDiscovery of [true, false]) {
    for (const hairpinning of [true, false]) {
      const how = `${localDiscovery ? 'with' : 'without'} local discovery`;
      const options = { ...NAT_KINDS.portRestricted, hairpinning };

      seededTest(`both on one link, ${how}, ${hairpinning ? '' : 'not '}hairpinning`, (seed) => {
        const net = new Internet({ seed });
        net.addServer();
        const inner = net.addNat(options, net.addNat(options));
        expectBoth(net, inner, inner, localDiscovery, 2_000);
      });

      // They are on different links: only the outer NAT can connect them.
      seededTest(`each with an inner one, ${how}, ${hairpinning ? '' : 'not '}hairpinning`, (seed) => {
        const net = new Internet({ seed });
        net.addServer();
        const outer = net.addNat(options);
        const inner = [net.addNat(options, outer), net.addNat(options, outer)] as const;
        expectBoth(net, ...inner, localDiscovery, hairpinning ? 2_000 : undefined);
      });
    }
  }
});

/** Time from the first ping after the loss to the first answer. */
function timeToFindAgain(
  net: Internet,
  kindA: NatOptions,
  kindB: NatOptions,
  lost: 'first' | 'second' | 'both',
): number {
  net.addServer();
  const nats = [net.addNat(kindA), net.addNat(kindB)] as const;
  const [a, b] = [net.addClient({ behind: nats[0] }), net.addClient({ behind: nats[1] })];
  expectQualifiedSoon(net.world, a, b);
  expect(timeToReply(net, a, b), 'the first time').toBeLessThan(10_000);
  talk(net, a, b, 5_000);
  if (lost !== 'second') nats[0].flush();
  if (lost !== 'first') nats[1].flush();
  const time = timeToReply(net, a, b);
  expect(timeToReply(net, b, a), 'the other direction').toBeLessThanOrEqual(2_000);
  return time;
}

/** Time from the loss to the first datagram after which none is lost; Infinity: not within 20 s. */
function timeToFlow(
  net: Internet,
  kindA: NatOptions,
  kindB: NatOptions,
  lost: 'first' | 'second' | 'both',
  moment: number,
): number {
  net.addServer();
  const nats = [net.addNat(kindA), net.addNat(kindB)] as const;
  const [a, b] = [net.addClient({ behind: nats[0] }), net.addClient({ behind: nats[1] })];
  expectQualifiedSoon(net.world, a, b);
  const stream = new Stream(net, a, b);
  expect(stream.timeToFlow(), 'the first time').toBeLessThan(10_000);
  stream.send((moment * 733) % 5_000);
  if (lost !== 'second') nats[0].flush();
  if (lost !== 'first') nats[1].flush();
  return stream.timeToFlow();
}

/** Datagrams in one direction. */
class Stream {
  private readonly net: Internet;
  private readonly from: SimClient;
  private readonly to: SimClient;
  private readonly arrivals: number[] = [];

  constructor(net: Internet, from: SimClient, to: SimClient) {
    this.net = net;
    this.from = from;
    this.to = to;
    to.ipv6.listen(PORT, () => this.arrivals.push(net.world.now));
  }

  send(duration: number): void {
    const { world } = this.net;
    for (const end = world.now + duration; world.now < end;) {
      this.sendOne();
      world.runFor(STREAM_INTERVAL_MS);
    }
  }

  timeToFlow(): number {
    const { world } = this.net;
    for (const since = world.now; world.now - since < 20_000;) {
      this.send(STREAM_INTERVAL_MS);
      const last = this.arrivals.slice(-IN_A_ROW);
      const isFlowing =
        last.length === IN_A_ROW && last[0]! > since && world.now - last[0]! <= IN_A_ROW * STREAM_INTERVAL_MS;
      if (isFlowing) return last[0]! - since;
    }
    return Infinity;
  }

  private sendOne(): void {
    const isReady = this.from.ipv6.addresses.length > 0 && this.to.ipv6.addresses.length > 0;
    if (!isReady) return;
    const destination = this.to.ipv6.address;
    this.from.ipv6.sendUdp({
      destination,
      sourcePort: PORT,
      destinationPort: PORT,
      payload: new Uint8Array(20),
    });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** `most`: limit of the time to the first answer; undefined: there must be none. */
function expectBoth(
  net: Internet,
  natA: Nat,
  natB: Nat,
  localDiscovery: boolean,
  most: number | undefined,
): void {
  const a = net.addClient({ behind: natA, localDiscovery });
  const b = net.addClient({ behind: natB, localDiscovery });
  expectQualifiedSoon(net.world, a, b);
  if (most === undefined) {
    expect(timeToReply(net, a, b)).toBe(Infinity);
    return;
  }
  expect(timeToReply(net, a, b)).toBeLessThanOrEqual(most);
  expect(timeToReply(net, b, a)).toBeLessThanOrEqual(most);
}

function talk(net: Internet, from: SimClient, to: SimClient, duration: number): void {
  const end = net.world.now + duration;
  while (net.world.now < end) {
    from.ipv6.ping(to.ipv6.address);
    net.world.runFor(PING_INTERVAL_MS);
  }
}

/** Time to the first reply to repeated pings; Infinity: none. Waits for a client that has lost its address. */
function timeToReply({ world }: Internet, from: SimClient, to: SimClient): number {
  const begun = world.now;
  const pings: Ping[] = [];
  const isAnswered = (): boolean => pings.some(({ repliedAt }) => repliedAt !== undefined);
  while (world.now - begun < 20_000) {
    const isReady = from.ipv6.addresses.length > 0 && to.ipv6.addresses.length > 0;
    if (isReady) pings.push(from.ipv6.ping(to.ipv6.address));
    if (world.runUntil(isAnswered, PING_INTERVAL_MS)) return world.now - begun;
  }
  return Infinity;
}
