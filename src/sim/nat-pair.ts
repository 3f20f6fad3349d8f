import type { PeerMeans } from '../core/client/index.ts';
import { equalBytes } from '../wire/index.ts';
import { Internet } from './internet.ts';
import type { Nat } from './nat.ts';
import type { NatOptions } from './nat-options.ts';
import type { SimClient } from './sim-client.ts';

/** The result of a trial with two clients, each behind a NAT of its own, or both behind one. */
export interface PairOutcome {
  /** The means by which they reach each other: the more complex one of the two directions. Undefined: at least one does not reach the other. */
  readonly means: PeerMeans | undefined;
  /** From the first packet of the first client to the first answer of the second; Infinity: there was none. */
  readonly firstReplyMs: number;
  /** The same from the second client to the first, begun after that. */
  readonly backMs: number;
  /** Bubbles, guesses and solicitations of both clients since the first packet. */
  readonly sent: number;
  readonly guesses: number;
}

export interface PairOptions {
  readonly seed?: number;
  /** Between any two hosts. Default 0. */
  readonly loss?: number;
  /** The longest wait for the first answer. Default 10 s. */
  readonly patienceMs?: number;
  /** Whether clients look for neighbours on their link (RFC 4380 section 5.2.8). Default true. */
  readonly localDiscovery?: boolean;
}

const QUALIFIED_WITHIN_MS = 120_000;
const PING_INTERVAL_MS = 250;
const SENT = [
  'sentDirectBubbles',
  'sentIndirectBubbles',
  'sentBubbleReplies',
  'sentGuesses',
  'sentDiscoveryBubbles',
  'sentSolicitations',
] as const;
/** The simplest first. */
const MEANS: readonly PeerMeans[] = ['local', 'direct', 'nonce', 'random-port', 'guess', 'met'];

/** A client behind a NAT like `a` pings one behind a NAT like `b`; then in the other direction. */
export function tryPair(a: NatOptions, b: NatOptions, options: PairOptions = {}): PairOutcome {
  const net = newInternet(options);
  return tryClients(net, net.addNat(a), net.addNat(b), options);
}

/** The same for two clients behind one NAT. */
export function tryNeighbours(nat: NatOptions, options: PairOptions = {}): PairOutcome {
  const net = newInternet(options);
  const shared = net.addNat(nat);
  return tryClients(net, shared, shared, options);
}

function newInternet({ seed = 1, loss = 0 }: PairOptions): Internet {
  // Each direction has two links that lose packets.
  const net = new Internet({ seed, conditions: { loss: 1 - Math.sqrt(1 - loss) } });
  net.addServer();
  return net;
}

function tryClients(net: Internet, natA: Nat, natB: Nat, options: PairOptions): PairOutcome {
  const { patienceMs = 10_000, localDiscovery = true } = options;
  const a = net.addClient({ behind: natA, localDiscovery });
  const b = net.addClient({ behind: natB, localDiscovery });
  const both = [a, b];
  net.world.runUntil(() => both.every(({ machine }) => machine.state === 'qualified'), QUALIFIED_WITHIN_MS);
  const before = sum(both, SENT);
  const firstReplyMs = timeToReply(net, a, b, patienceMs);
  const backMs = firstReplyMs === Infinity ? Infinity : timeToReply(net, b, a, patienceMs);
  return {
    means:
      backMs === Infinity
        ? undefined
        : moreComplex(meansOf(a, b, net.world.now), meansOf(b, a, net.world.now)),
    firstReplyMs,
    backMs,
    sent: sum(both, SENT) - before,
    guesses: sum(both, ['sentGuesses']),
  };
}

function timeToReply({ world }: Internet, from: SimClient, to: SimClient, patienceMs: number): number {
  const begun = world.now;
  const pings: ReturnType<SimClient['ipv6']['ping']>[] = [];
  const isAnswered = (): boolean => pings.some(({ repliedAt }) => repliedAt !== undefined);
  while (world.now - begun < patienceMs) {
    if (from.ipv6.addresses.length > 0 && to.ipv6.addresses.length > 0)
      pings.push(from.ipv6.ping(to.ipv6.address));
    if (world.runUntil(isAnswered, PING_INTERVAL_MS)) return world.now - begun;
  }
  return Infinity;
}

function meansOf({ machine }: SimClient, other: SimClient, now: number): PeerMeans | undefined {
  for (const { address, means } of machine.peers(now)) {
    if (other.ipv6.addresses.some((one) => equalBytes(one, 0, address, 0, 16))) return means;
  }
  return undefined;
}

function moreComplex(a: PeerMeans | undefined, b: PeerMeans | undefined): PeerMeans | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return MEANS.indexOf(a) > MEANS.indexOf(b) ? a : b;
}

function sum(clients: readonly SimClient[], names: readonly string[]): number {
  return clients.reduce(
    (total, { machine }) => names.reduce((part, name) => part + (machine.counters[name] ?? 0), total),
    0,
  );
}
