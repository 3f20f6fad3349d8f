/** No two nodes answer each other without end, at any delay, after any datagrams that one host has sent once. */
import { expect, test } from 'vitest';
import { Internet, NAT_KINDS, SeededEntropy } from '../../src/sim/index.ts';
import type { Ipv4Datagram, NatKindName, SimClient } from '../../src/sim/index.ts';
import {
  TEREDO_PORT,
  buildBubble,
  buildEchoRequest,
  mappedAddressOf,
  mappedPortOf,
  writeAlternateAddresses,
  writeNeighborDiscovery,
  writeNonce,
  writeOrigin,
  writeRandomPort,
} from '../../src/wire/index.ts';
import type { Endpoint } from '../../src/wire/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { expectQualified } from './support/expectations.ts';
import { WireLog } from './support/wire-log.ts';
import type { LoggedDatagram } from './support/wire-log.ts';
import { seeds, withSeed } from './support/with-seed.ts';

const RELAY = { address: 0xc0000201, port: 3545 };
const KINDS = [...(Object.keys(NAT_KINDS) as NatKindName[]), 'none', 'shared'] as const;
/** One way, of a client's link: up to 3 s between two clients. */
const DELAYS_MS = [10, 400, 800, 1_500];
/** Longer than peers are remembered, and than the way to an idle peer on a socket of its own is kept open. */
const FORGOTTEN_MS = 900_000;
const WATCHED_MS = 600_000;
/** Answers of neighbours to discovery bubbles, one in 200 s or more. */
const MOST_LATER = 12;

/** Two clients with all means to find each other, that have exchanged some packets. */
class Pair {
  readonly net: Internet;
  readonly clients: readonly [SimClient, SimClient];
  private readonly random: SeededEntropy;
  private readonly logs: readonly [WireLog, WireLog];

  constructor(seed: number) {
    const random = (this.random = new SeededEntropy(seed, 0x7eed0));
    const net = (this.net = new Internet({ seed, delayMs: 20 }));
    net.addServer();
    net.addRelay({ meet: true });
    const shared = net.addNat({ ...NAT_KINDS.portRestricted, hairpinning: random.chance(0.5) });
    const options = { meet: random.chance(0.6) ? RELAY : undefined, localDiscovery: random.chance(0.5) };
    const add = (): SimClient => {
      const kind = random.pick(KINDS);
      const behind = kind === 'shared' ? shared : kind === 'none' ? undefined : kind;
      return net.addClient({ behind, ...options });
    };
    this.clients = [add(), add()];
    this.logs = [this.logOf(0), this.logOf(1)];
    expectQualified(net.world, 5_000, ...this.clients);
  }

  slow(): void {
    const most = this.random.pick(DELAYS_MS);
    const relay = this.net.ipv4.find(RELAY.address)!.link;
    const links = [
      relay,
      ...this.net.nats.map(({ link }) => link),
      ...this.clients.map(({ host }) => host.link),
    ];
    for (const link of links) link.delayMs = this.random.chance(0.5) ? most : this.random.unit() * most;
  }

  talk(): void {
    for (let i = 0; i < 5; i++) {
      this.ping(0);
      if (this.random.chance(0.5)) this.ping(1);
      this.net.world.runFor(this.random.integer(100, 8_000));
    }
  }

  /** A datagram comes to one of the two that has come before, or that another host has made. */
  disturb(): void {
    const to = this.random.integer(0, 1);
    const { attachment } = this.clients[to]!.host;
    const seen = this.logs[to]!.entries.map(({ datagram }) => datagram).filter(
      ({ destination }) => destination === attachment.address,
    );
    attachment.receive(this.random.chance(0.4) ? this.random.pick(seen) : this.forged(to, seen));
  }

  /** Datagrams other than solicitations, advertisements and discovery bubbles. */
  exchanged(since: number): LoggedDatagram[] {
    return this.logs.flatMap(({ entries }) =>
      entries.filter(
        ({ at, kind, datagram }) =>
          at > since &&
          !['solicitation', 'advertisement'].includes(kind) &&
          datagram.destination >>> 28 !== 0xe,
      ),
    );
  }

  private forged(to: number, seen: readonly Ipv4Datagram[]): Ipv4Datagram {
    const { random } = this;
    const [own, other] = [this.clients[to]!.ipv6.address, this.clients[1 - to]!.ipv6.address];
    const mapped = { address: mappedAddressOf(other, 0), port: mappedPortOf(other, 0) };
    const server = { address: this.net.serverCandidate(0).primary, port: TEREDO_PORT };
    const senders: Endpoint[] = seen.map(({ source, sourcePort }) => ({ address: source, port: sourcePort }));
    const sender = random.pick([RELAY, mapped, server, ...senders]);
    const payload = new Uint8Array(200);
    let end = sender === server ? writeOrigin(payload, 0, mapped.address, mapped.port) : 0;
    const packet = random.chance(0.8) ? buildBubble(other, own, 21) : echoRequest(other, own);
    payload.set(packet, end);
    end += packet.length;
    if (random.chance(0.4)) end = writeNonce(payload, end, new Uint8Array([1, 2, 3, 4]));
    if (random.chance(0.2)) end = writeAlternateAddresses(payload, end, [mapped]);
    if (random.chance(0.2)) end = writeRandomPort(payload, end, 40_000);
    if (random.chance(0.2)) end = writeNeighborDiscovery(payload, end, 'solicitation');
    const { destination, destinationPort } = seen.at(-1)!;
    return {
      source: sender.address,
      sourcePort: sender.port,
      destination,
      destinationPort,
      timeToLive: 60,
      payload: payload.slice(0, end),
    };
  }

  private ping(from: 0 | 1): void {
    const [client, peer] = [this.clients[from], this.clients[1 - from]!];
    const haveAddresses = [client, peer].every(({ ipv6 }) => ipv6.addresses.length > 0);
    if (haveAddresses) client.ipv6.ping(peer.ipv6.address);
  }

  private logOf(client: 0 | 1): WireLog {
    return new WireLog(this.net.world, this.clients[client].host.attachment);
  }
}

function echoRequest(source: Uint8Array, destination: Uint8Array): Uint8Array {
  const data = new Uint8Array(8);
  return buildEchoRequest({ source, destination, hopLimit: 64, identifier: 1, sequence: 1, data });
}

test('two clients are quiet a while after their last packets, after forged and repeated datagrams, at any delay', () => {
  const loud = seeds(IS_ALL ? 500 : 12).filter((seed) =>
    withSeed(seed, () => {
      const pair = new Pair(seed);
      const { world } = pair.net;
      const random = new SeededEntropy(seed, 0x7eed1);
      const isSlowFirst = random.chance(0.5);
      if (isSlowFirst) pair.slow();
      pair.talk();
      if (!isSlowFirst) pair.slow();
      world.runFor(random.pick([1_000, 10_000, 35_000, 100_000]));
      for (let i = random.integer(0, 4); i > 0; i--) {
        pair.disturb();
        world.runFor(random.pick([0, 100, 5_000]));
      }
      world.runFor(FORGOTTEN_MS);
      const since = world.now;
      world.runFor(WATCHED_MS);
      return pair.exchanged(since).length > MOST_LATER;
    }),
  );
  expect(loud).toEqual([]);
});

test.each([10, 200, 380, 500, 900, 1_500])(
  'a bubble in the name of the relay at which two clients meet is answered once, with %i ms on each link',
  (delayMs) => {
    const net = new Internet({ delayMs: 20 });
    net.addServer();
    net.addRelay({ meet: true });
    const [a, b] = [0, 1].map(() => net.addClient({ behind: 'symmetric', meet: RELAY })) as [
      SimClient,
      SimClient,
    ];
    expectQualified(net.world, 5_000, a, b);
    const ping = a.ipv6.ping(b.ipv6.address);
    expect(net.world.runUntil(() => ping.repliedAt !== undefined, 20_000)).toBe(true);
    const { link } = net.ipv4.find(RELAY.address)!;
    for (const one of [link, ...net.nats.map((nat) => nat.link)]) one.delayMs = delayMs;
    net.world.runFor(20_000);
    const replies = (): number =>
      a.machine.counters['sentBubbleReplies']! + b.machine.counters['sentBubbleReplies']!;
    const before = replies();
    a.node.handleDatagram(0, buildBubble(b.ipv6.address, a.ipv6.address, 20), RELAY.address, RELAY.port, 0);
    net.world.runFor(600_000);
    expect(replies() - before).toBe(1);
  },
);
