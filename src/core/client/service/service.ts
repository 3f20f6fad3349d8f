import { randomBetween } from '../../entropy.ts';
import type { ClientState, NatKind, QualificationReason } from '../../events.ts';
import { makeClientAddress } from './client-address.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext, Qualified } from '../context.ts';
import type { LocalDiscovery } from '../ask/local-discovery.ts';
import { Maintenance } from './maintenance.ts';
import { SOCKET } from '../options.ts';
import type { AttachedNetwork, ServerCandidate } from '../options.ts';
import { Qualification } from './qualification.ts';
import type { RefreshIntervalDetermination } from './refresh-interval.ts';
import { ServerLog } from '../server-log.ts';
import type { Answer } from '../status.ts';
import { CONE_FLAG, flagsOf, mappedAddressOf, mappedPortOf, serverOf } from '../../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../../wire/index.ts';

/** An off-line client tries again after this time, so that it is soon qualified when it can be. */
const RETRY_LOW_MS = 4_000;
const RETRY_HIGH_MS = 6_000;

/** An address, and the mapping for which it was made. If the mapping returns, so does the address, with the same random bits. CL-86, A-16 */
interface MadeAddress {
  readonly server: Ipv4;
  readonly mapped: Endpoint;
  readonly cone: boolean;
  readonly address: Ipv6;
}

/** The qualification of a predecessor of this process, and the local address with which it was made. */
export interface KnownQualification extends Pick<
  Qualified,
  'verified' | 'symmetric' | 'portStep' | 'roundTripMs'
> {
  readonly localAddress: Ipv4 | undefined;
}

/** The connectivity status of the service: when to qualify, with which servers, and which address follows. RFC 4380 section 5.2 */
export class Service {
  state: ClientState = 'offline';
  reason: QualificationReason | undefined = 'stopped';

  private readonly context: ClientContext;
  private readonly discovery: LocalDiscovery;
  private readonly refreshInterval: RefreshIntervalDetermination;
  private readonly qualification: Qualification;
  private readonly maintenance: Maintenance;
  private readonly interrupted: () => void;
  private readonly confirmed: (now: number) => void;
  private made: MadeAddress | undefined = undefined;
  private running = false;
  private retryAt = Infinity;

  /**
   * `interrupted`: called when questions to servers about peers are no longer answered. Knowledge about our NAT may be wrong then, too.
   * `confirmed`: called when the server has answered and has seen the same mapping.
   */
  constructor(
    context: ClientContext,
    discovery: LocalDiscovery,
    refreshInterval: RefreshIntervalDetermination,
    interrupted: () => void,
    confirmed: (now: number) => void,
  ) {
    this.interrupted = interrupted;
    this.confirmed = confirmed;
    this.context = context;
    this.discovery = discovery;
    this.refreshInterval = refreshInterval;
    this.qualification = new Qualification(context, SOCKET.service, {
      qualified: (result, now) => this.handleQualified(result, now),
      failed: (reason, now) => this.handleFailure(reason, now),
    });
    this.maintenance = new Maintenance(context, {
      refreshed: (answer, now) => this.handleRefresh(answer, now),
      lost: (now) => this.handleLoss(now),
    });
  }

  handleAdvertisement(received: ReceivedAdvertisement): void {
    if (this.context.qualified === undefined) this.qualification.handleAdvertisement(received);
    else this.maintenance.handleAdvertisement(received);
  }

  handleTimeout(now: number): void {
    this.qualification.handleTimeout(now);
    this.maintenance.handleTimeout(now);
    if (now >= this.retryAt) this.qualify(now);
  }

  /**
   * A predecessor of this process had this address. It is kept until a server answers: if the mapping is still the same, connections survive.
   * `qualification`: that of the predecessor. It holds, unless the host is on another network, and the server is asked soon.
   * False: the address is of none of the servers.
   */
  adopt(address: Ipv6, qualification?: KnownQualification): boolean {
    const { context } = this;
    const primary = serverOf(address, 0);
    const server = context.servers.findIndex((one) => one.primary === primary);
    if (server < 0 || this.running) return false;
    const mapped = { address: mappedAddressOf(address, 0), port: mappedPortOf(address, 0) };
    const cone = (flagsOf(address, 0) & CONE_FLAG) !== 0;
    this.made = { server: primary, mapped, cone, address };
    context.address = address;
    context.mapped = mapped;
    this.event({ type: 'address-added', address, mapped, server });
    if (qualification === undefined || qualification.localAddress !== context.network.localAddress)
      return true;
    const { verified, symmetric, portStep, roundTripMs } = qualification;
    context.qualified = { server, mapped, cone, verified, symmetric, portStep, roundTripMs };
    context.roundTripMs = roundTripMs;
    context.natKind = this.judgeNat(context.qualified);
    this.enter('qualified', undefined);
    return true;
  }

  /** For a successor; undefined: the client is not qualified. */
  get knownQualification(): KnownQualification | undefined {
    const { qualified, network } = this.context;
    return qualified === undefined ? undefined : { ...qualified, localAddress: network.localAddress };
  }

  start(now: number): void {
    if (this.running) return;
    this.running = true;
    if (this.context.qualified !== undefined) return this.resume(now);
    this.enter('probe', undefined);
    this.qualify(now);
  }

  /** `rest`: until {@link start}, because the host has native IPv6. CL-7 */
  stop(rest = false): void {
    this.running = false;
    this.suspend();
    this.withdraw();
    this.discovery.stop();
    this.refreshInterval.reset();
    this.context.natKind = 'unknown';
    if (rest) this.enter('dormant', 'native-ipv6');
    else this.enter('offline', 'stopped');
  }

  /**
   * The mapping may have changed. If the host has the same local address, the Teredo address is kept until a server answers: connections then
   * survive a change that does not concern this client.
   */
  networkChanged(network: AttachedNetwork, now: number): void {
    const { context } = this;
    if (network.localAddress !== context.network.localAddress) this.withdraw();
    context.network = network;
    context.policy.setSubnets(network.subnets);
    if (!this.running && context.qualified === undefined) return;
    this.suspend();
    if (!this.running) return this.enter('offline', 'stopped');
    this.discovery.leave();
    this.refreshInterval.reset();
    context.natKind = 'unknown';
    this.enter('probe', 'network-changed');
    this.qualify(now);
  }

  setServers(servers: readonly ServerCandidate[], now: number): void {
    const { context } = this;
    if (sameServers(servers, context.servers)) return;
    const kept = context.server === undefined ? -1 : servers.findIndex((one) => isSame(one, context.server!));
    const logs = context.logs;
    if (kept < 0) this.suspend();
    context.servers = servers;
    context.logs = servers.map((server) => logs.find((log) => isSame(log, server)) ?? new ServerLog(server));
    if (kept >= 0) {
      context.qualified = { ...context.qualified!, server: kept };
      this.interrupted();
      this.maintenance.begin();
      this.refreshInterval.suspend();
      this.refreshInterval.begin(now);
    } else if (this.running) {
      this.enter('probe', undefined);
      this.qualify(now);
    }
  }

  pollTimeout(): number {
    return Math.min(this.retryAt, this.qualification.pollTimeout(), this.maintenance.pollTimeout());
  }

  /** The predecessor has qualified. Its server is asked at once whether the mapping is the same. */
  private resume(now: number): void {
    this.maintenance.begin();
    this.discovery.begin(now);
    this.refreshInterval.begin(now);
  }

  /** The start action of RFC 4380 section 5.2.1. */
  private qualify(now: number): void {
    this.retryAt = Infinity;
    const { servers } = this.context;
    if (servers.length === 0) this.handleFailure('no-server', now);
    else this.qualification.begin([...servers.keys()], now);
  }

  private handleQualified(result: Qualified, now: number): void {
    const { context } = this;
    context.qualified = result;
    context.hasPreservedPorts = false;
    context.lastServerContact = now;
    context.roundTripMs = result.roundTripMs;
    context.natKind = this.judgeNat(result);
    this.event({ type: 'server-chosen', server: result.server, roundTripMs: result.roundTripMs });
    this.useMapping(result);
    this.resetBubbles();
    this.enter('qualified', undefined);
    this.maintenance.begin();
    this.discovery.begin(now);
    this.refreshInterval.begin(now); // CL-100
  }

  private handleFailure(reason: QualificationReason, now: number): void {
    const { context } = this;
    this.withdraw();
    context.natKind = reason === 'symmetric-nat' ? 'symmetric' : 'unknown';
    this.enter('offline', reason);
    if (reason !== 'no-server')
      this.retryAt = now + randomBetween(context.entropy, RETRY_LOW_MS, RETRY_HIGH_MS);
  }

  private handleRefresh(answer: Answer, now: number): void {
    const { context } = this;
    const { origin } = answer;
    context.lastServerContact = now;
    context.roundTripMs = answer.roundTripMs;
    if (origin.address === context.mapped!.address && origin.port === context.mapped!.port) {
      this.confirmed(now); // CL-86
      return;
    }
    context.counters.mappingChanges++; // CL-83
    context.hasPreservedPorts = context.preservesPorts && origin.address === context.mapped!.address;
    context.qualified = { ...context.qualified!, mapped: origin };
    context.refreshIntervalMs = Math.min(context.refreshIntervalMs, context.configuredRefreshIntervalMs);
    this.refreshInterval.suspend();
    this.useMapping(context.qualified);
    this.maintenance.begin();
    this.discovery.begin(now);
    this.refreshInterval.begin(now);
  }

  /** The server is silent: the address is removed, and the first server to answer is used. CL-84 */
  private handleLoss(now: number): void {
    this.suspend();
    this.withdraw();
    this.enter('probe', 'no-answer');
    this.qualify(now);
  }

  /** Nothing but solicitations until qualified again. CL-4 */
  private suspend(): void {
    const { context } = this;
    this.qualification.cancel();
    this.maintenance.stop();
    this.discovery.suspend();
    this.refreshInterval.suspend();
    this.interrupted();
    context.qualified = undefined;
    context.silence.reset();
    this.retryAt = Infinity;
  }

  /** Uses the address of this mapping; makes a new one if the mapping is another. */
  private useMapping({ server, mapped, cone }: Qualified): void {
    const { context } = this;
    const { primary } = context.servers[server];
    const { made } = this;
    if (made === undefined || made.server !== primary || !isSameMapping(made, mapped, cone)) {
      this.made = {
        server: primary,
        mapped,
        cone,
        address: makeClientAddress(context, primary, mapped, cone),
      };
    }
    const { address } = this.made!;
    if (context.address === address) return; // the same object: no new address was made
    this.withdraw();
    context.address = address;
    context.mapped = mapped;
    this.event({ type: 'address-added', address, mapped, server });
  }

  /** Removes the address. Peers do not know the next one, so all that is known about them ends, too. */
  private withdraw(): void {
    const { context } = this;
    if (context.address === undefined) return;
    this.event({ type: 'address-removed', address: context.address });
    context.peers.clear();
    context.address = undefined;
    context.mapped = undefined;
  }

  /** Bubbles that were not answered before do not count any more. */
  private resetBubbles(): void {
    for (const peer of this.context.peers) this.context.peers.resetBubbles(peer);
  }

  private judgeNat({ mapped, cone, symmetric }: Qualified): NatKind {
    const { network, servicePort } = this.context;
    if (symmetric) return 'symmetric';
    if (network.localAddress === mapped.address && (servicePort ?? mapped.port) === mapped.port)
      return 'none';
    return cone ? 'cone' : 'restricted';
  }

  private enter(state: ClientState, reason: QualificationReason | undefined): void {
    if (this.state === state && this.reason === reason) return;
    this.state = state;
    this.reason = reason;
    this.event(reason === undefined ? { type: 'state', state } : { type: 'state', state, reason });
  }

  private event(event: Parameters<ClientContext['commands']['event']>[0]): void {
    this.context.commands.event(event);
  }
}

function isSameMapping(made: MadeAddress, mapped: Endpoint, cone: boolean): boolean {
  return made.mapped.address === mapped.address && made.mapped.port === mapped.port && made.cone === cone;
}

type Addresses = Pick<ServerCandidate, 'primary' | 'secondary'>;

function isSame(a: Addresses, b: Addresses): boolean {
  return a.primary === b.primary && a.secondary === b.secondary;
}

function sameServers(a: readonly Addresses[], b: readonly Addresses[]): boolean {
  return a.length === b.length && a.every((server, i) => isSame(server, b[i]));
}
