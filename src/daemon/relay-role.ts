import type { PeerOrder, RankedPeer } from '../control/peer-order.ts';
import type { Answerer, PeerStatus, RelayStatus, UsersStatus } from '../control/status.ts';
import { NO_PEER, TRUSTED } from '../core/peer-table.ts';
import { NO_TRAFFIC } from '../core/peer-traffic.ts';
import type { PeerTraffic } from '../core/peer-traffic.ts';
import type { UserWindow } from '../core/users/index.ts';
import { RELAY_LIMITS } from '../core/relay/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { HostNetwork } from '../io/ports.ts';
import { Relay } from '../runtime/relay.ts';
import type { RelaySettings } from '../runtime/relay.ts';
import type { RecordedPeer } from '../runtime/workers/peer-records.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { RELAY_OPTIONS } from '../runtime/settings/relay-options.ts';
import { formatEndpoint, formatIpv4, formatIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { accessOf, accessStatus } from './access.ts';
import type { GivenValues } from './configuration/layers.ts';
import { commonStatus, secondsSince } from './control-answers.ts';
import { dataPathStatus } from './data-path-status.ts';
import { Drain } from './drain.ts';
import { EXIT } from './exit-codes.ts';
import { sayDataPath, sayTakenOver, sayWarning, sayWhyNotKernel } from './log.ts';
import { carriedStatus, secondsAgo } from './peer-status.ts';
import type { Role, RunningRole } from './run-role.ts';
import { Marks } from './marks.ts';
import { explainNotLocal } from './start-notices.ts';
import { largestUsers, usersStatus } from './users-status.ts';
import { withWords } from './state-in-words.ts';

export class RelayRole implements Role {
  private readonly role: 'relay' | 'host-relay';
  private readonly relay: Relay;
  private readonly network: HostNetwork;
  private withdrawnAt: number | undefined;
  readonly drain?: () => Promise<boolean>;
  readonly beforeEnd?: () => Promise<void>;

  constructor(
    role: 'relay' | 'host-relay',
    settings: RelaySettings,
    ports: PortFactory,
    running: RunningRole,
    drainSeconds = 0,
  ) {
    this.role = role;
    this.network = ports.network;
    this.relay = new Relay(settings, ports);
    this.relay.on('data-path', sayDataPath);
    this.relay.on('data-path', running.changed);
    this.relay.on('warning', sayWarning);
    this.relay.on('lost', (error) => running.end(EXIT.FAILED, error.message));
    this.relay.on('withdrawn', () => (this.withdrawnAt ??= performance.now()));
    if (role !== 'relay') return; // a host-specific relay has no announcement
    const drain = new Drain(this.relay, drainSeconds, running);
    this.drain = () => drain.withdraw();
    this.beforeEnd = () => drain.beforeEnd();
  }

  async start(): Promise<void> {
    await explainNotLocal(this.relay.start(), this.role === 'relay' ? 'announce' : 'leave-out');
    sayTakenOver(this.relay.adoptedPeers);
    sayWhyNotKernel(this.relay.dataPath);
  }

  prepare(values: GivenValues, changed: ReadonlySet<string>): Promise<() => void> {
    const { allow, deny, limits } = values as Values<typeof RELAY_OPTIONS>;
    const access = accessOf({ allow, deny });
    const whole = limitsWith(RELAY_LIMITS, limits);
    return Promise.resolve(() => {
      if (changed.has('allow') || changed.has('deny')) this.relay.setAccess(access);
      if (changed.has('limits')) this.relay.setLimits(whole);
    });
  }

  close(): Promise<void> {
    return this.relay.close();
  }

  status(name: string, isShort = false): RelayStatus {
    const { settings } = this.relay;
    const now = this.relay.status();
    const common = commonStatus(name);
    return withWords({
      ...common,
      role: this.role,
      ...this.state(common.uptimeSeconds),
      address: formatIpv4(settings.address),
      ...(settings.announce === undefined ? {} : { announced: formatIpv4(settings.announce) }),
      port: now.port,
      interface: settings.interface,
      serves: settings.serve?.map(({ address, length }) => `${formatIpv6(address)}/${length}`) ?? [
        'this host',
      ],
      ...(this.role === 'relay' ? this.forwarding() : {}),
      access: accessStatus(now.access),
      peers: now.peers,
      traffic: now.traffic,
      ...(now.workers.length > 1 ? { workers: now.workers } : {}),
      // Those of several workers are known when they are asked for.
      ...(now.workers.length > 1 || isShort ? {} : largestUsers(this.relay.users('minute', 1))),
      limitsReached: now.limitsReached,
      dataPath: dataPathStatus(now),
      counters: { ...now.counters, ...now.portCounters },
    });
  }

  private state(uptimeSeconds: number): Pick<RelayStatus, 'state' | 'stateSeconds'> {
    if (!this.relay.isWithdrawn) return { state: 'running', stateSeconds: uptimeSeconds };
    this.withdrawnAt ??= performance.now();
    return { state: 'draining', stateSeconds: secondsSince(this.withdrawnAt) };
  }

  private forwarding(): { readonly forwards?: boolean } {
    try {
      return { forwards: this.network.forwardsIpv6() };
    } catch {
      return {}; // the process may open no more files
    }
  }

  /** Whatever other workers know, for the answer that follows. */
  async gather(what: 'peers' | UserWindow): Promise<void> {
    await (what === 'peers' ? this.relay.gatherPeers() : this.relay.gatherUsers(what));
  }

  users(window: UserWindow, limit: number): Omit<UsersStatus, keyof Answerer> {
    return usersStatus(window, this.relay.users(window, limit));
  }

  peers(limit: number): { total: number; shown: Iterable<PeerStatus | undefined> } {
    const { peers, otherPeerCount } = this.relay;
    const total = peers.trustedCount + peers.unverifiedCount + otherPeerCount;
    return { total, shown: this.inStatus(limit) };
  }

  /**
   * Of a peer that the kernel carries the traffic is read in bulk: to ask for each one takes 20 times as long. Such a peer is ranked as soon as it is
   * read, and only a bit is kept of it: every local user may begin such a walk.
   */
  *rankedPeers(order: PeerOrder): Generator<RankedPeer | undefined> {
    const { relay } = this;
    const { peers } = relay;
    const ranked = new Marks();
    if (order === 'traffic') yield* this.carriedPeers(ranked);
    for (const peer of peers.walkInSteps())
      yield peer === NO_PEER || ranked.has(peer) ? undefined : this.ranked(peer, 0);
    for (const peer of relay.otherPeers()) yield new RecordedClient(peer, relay.now);
  }

  /** Those of which the kernel has not reported all octets. */
  private *carriedPeers(ranked: Marks): Generator<RankedPeer | undefined> {
    const { relay } = this;
    const found: RankedPeer[] = [];
    const note = (address: Ipv6, octets: number): void => {
      const peer = relay.peers.find(address, 0);
      if (peer !== NO_PEER && ranked.add(peer)) found.push(this.ranked(peer, octets));
    };
    for (const _ of relay.unreportedOctets(note)) {
      yield undefined;
      yield* found.splice(0);
    }
    yield* found;
  }

  private ranked(peer: number, unreportedOctets: number): RankedPeer {
    const { peers } = this.relay;
    const octets = octetsOf(peers.trafficOf(peer)) + unreportedOctets;
    return new RankedClient(this, peer, octets, peers.lastReceived.at(peer));
  }

  /** Made one by one, while the relay works on. */
  private *inStatus(limit: number): Generator<PeerStatus | undefined> {
    let count = 0;
    for (const peer of this.relay.peers.walkInSteps()) {
      if (peer !== NO_PEER && count++ >= limit) return;
      yield peer === NO_PEER ? undefined : this.statusOf(peer);
    }
    for (const peer of this.relay.otherPeers()) {
      if (count++ >= limit) return;
      yield recordedStatus(peer, this.relay.now);
    }
  }

  addressOf(peer: number): string {
    return formatIpv6(this.relay.peers.address(peer));
  }

  statusOf(peer: number): PeerStatus {
    const { relay } = this;
    const { peers } = relay;
    const address = peers.address(peer);
    return {
      address: formatIpv6(address),
      mapped: formatEndpoint({ address: peers.mappedAddress[peer]!, port: peers.mappedPort[peer]! }),
      trusted: peers.status[peer] === TRUSTED,
      local: false,
      offloaded: relay.isOffloaded(peer),
      ...carriedStatus(relay.carriedPathOf(address)),
      ...(relay.trafficOf(address) ?? NO_TRAFFIC),
      ...secondsAgo(peers.lastReceived.at(peer), peers.lastSent.at(peer), relay.now),
    };
  }
}

/** Small: there is one of each peer. */
class RankedClient implements RankedPeer {
  readonly octets: number;
  readonly receivedAt: number;
  private readonly role: RelayRole;
  private readonly peer: number;

  constructor(role: RelayRole, peer: number, octets: number, receivedAt: number) {
    this.role = role;
    this.peer = peer;
    this.octets = octets;
    this.receivedAt = receivedAt;
  }

  address(): string {
    return this.role.addressOf(this.peer);
  }

  status(address: string): PeerStatus | undefined {
    return this.address() === address ? this.role.statusOf(this.peer) : undefined;
  }
}

/** Of a peer of another worker. */
class RecordedClient implements RankedPeer {
  readonly octets: number;
  readonly receivedAt: number;
  private readonly peer: RecordedPeer;
  private readonly now: number;

  constructor(peer: RecordedPeer, now: number) {
    this.octets = octetsOf(peer);
    this.receivedAt = peer.lastReceived;
    this.peer = peer;
    this.now = now;
  }

  address(): string {
    return formatIpv6(this.peer.address);
  }

  status(): PeerStatus {
    return recordedStatus(this.peer, this.now);
  }
}

function recordedStatus(peer: RecordedPeer, now: number): PeerStatus {
  const { receivedPackets, receivedBytes, sentPackets, sentBytes } = peer;
  return {
    address: formatIpv6(peer.address),
    mapped: formatEndpoint({ address: peer.mappedAddress, port: peer.mappedPort }),
    trusted: peer.isTrusted,
    local: false,
    offloaded: false,
    ...carriedStatus({ way: 'none' }),
    ...{ receivedPackets, receivedBytes, sentPackets, sentBytes },
    ...secondsAgo(peer.lastReceived, peer.lastSent, now),
  };
}

function octetsOf({ receivedBytes, sentBytes }: PeerTraffic): number {
  return receivedBytes + sentBytes;
}
