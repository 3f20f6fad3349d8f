import { AddressPolicy, inSubnets } from '../address-policy.ts';
import { CommandRing } from '../commands.ts';
import { REFRESH_INTERVAL_MS } from '../constants.ts';
import { Offload } from '../offload/offload.ts';
import { LimitHits } from '../limit-hits.ts';
import { NO_PEER, PeerTable } from '../peer-table.ts';
import { makeCounters } from '../machine.ts';
import type { Entropy } from '../entropy.ts';
import type { NatKind } from '../events.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../wire/index.ts';
import { TEREDO_PORT, equalBytes } from '../../wire/index.ts';
import { CLIENT_COUNTERS } from './counters.ts';
import { changeLimits, liveCopy } from '../live-limits.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { ClientLimits } from './limits.ts';
import type { AttachedNetwork, ClientOptions, ServerCandidate } from './options.ts';
import { ServerLog } from './server-log.ts';
import { Silence } from './silence.ts';

/** The result of a qualification. RFC 4380 section 5.2.1 */
export interface Qualified {
  /** Index into the servers. */
  readonly server: number;
  readonly mapped: Endpoint;
  readonly cone: boolean;
  /** Whether a second server address has seen the same mapping. */
  readonly verified: boolean;
  /** The two addresses of a server have seen different mappings; `mapped` is the one that the primary saw. RFC 6081 section 5.2.3.2 */
  readonly symmetric: boolean;
  /** The distance from the port that the primary saw to the port that the secondary saw; 0: the same. */
  readonly portStep: number;
  readonly roundTripMs: number;
}

/** The state that the parts of the client share. RFC 4380 section 5.2. CL-5 */
export class ClientContext {
  readonly commands = new CommandRing();
  readonly counters = makeCounters(CLIENT_COUNTERS);
  readonly hits = new LimitHits();
  readonly options: ClientOptions;
  readonly entropy: Entropy;
  readonly limits: ClientLimits;
  readonly policy: AddressPolicy;
  readonly peers: PeerTable;
  readonly offload: Offload;

  /** The local UDP port, if known. CL-3 */
  servicePort: number | undefined;
  servers: readonly ServerCandidate[];
  logs: readonly ServerLog[];
  network: AttachedNetwork;

  /** Set while the service may be used; the address outlives a renewed qualification that confirms it. */
  qualified: Qualified | undefined = undefined;
  address: Ipv6 | undefined = undefined;
  mapped: Endpoint | undefined = undefined;
  /** The pair at which a gateway admits all senders. RFC 6081 section 5.3.1: UPnP-Mapped Address/Port, by any protocol. */
  gateway: Endpoint | undefined = undefined;
  natKind: NatKind = 'unknown';
  refreshIntervalMs: number;
  /** The date of the last interaction with the server. CL-42 */
  lastServerContact = -Infinity;
  roundTripMs: number | undefined = undefined;
  /**
   * Our NAT has preserved ports before its mapping changed, at the same address. Then the service port's number may belong to the mapping to a peer:
   * a symmetric NAT that was restarted gives it to the first destination.
   */
  hasPreservedPorts = false;
  readonly silence = new Silence();

  constructor(options: ClientOptions, entropy: Entropy, onEvict: (peer: number) => void) {
    this.options = options;
    this.entropy = entropy;
    const limits = liveCopy({ ...CLIENT_LIMITS, ...options.limits });
    this.limits = limits;
    this.network = options.network ?? { subnets: [], localAddress: undefined };
    this.policy = options.policy ?? new AddressPolicy();
    this.policy.setSubnets(this.network.subnets);
    this.peers = new PeerTable(limits.peers, entropy, (peer) => {
      this.offload.withdraw(peer);
      onEvict(peer);
    });
    this.peers.onFull = (pool, peer) => this.hits.ipv6(`peers.${pool}`, peer, 0);
    this.offload = new Offload(this.commands, this.peers, options.offload ?? false);
    this.servicePort = options.servicePort;
    this.servers = options.servers;
    this.logs = options.servers.map((server) => new ServerLog(server));
    this.refreshIntervalMs = this.configuredRefreshIntervalMs;
  }

  setLimits(limits: Partial<ClientLimits>): void {
    changeLimits(this.limits, { ...CLIENT_LIMITS, ...limits });
  }

  get configuredRefreshIntervalMs(): number {
    const { refresh } = this.options;
    return typeof refresh === 'number' ? refresh : REFRESH_INTERVAL_MS;
  }

  /** Whether our NAT has left the service port its number. RFC 6081 section 5.4.3, E-61 */
  get preservesPorts(): boolean {
    return this.mapped !== undefined && (this.mapped.port === this.servicePort || this.hasPreservedPorts);
  }

  /** The server in use. */
  get server(): ServerCandidate | undefined {
    return this.qualified === undefined ? undefined : this.servers[this.qualified.server];
  }

  /** A gateway has mapped our port, and no other NAT stands between it and the server. E-47, E-90 */
  get isGatewayTheNat(): boolean {
    const { gateway, mapped } = this;
    return gateway !== undefined && gateway.address === mapped?.address && gateway.port === mapped.port;
  }

  /** Whether a datagram came from the server in use. */
  isServer(address: Ipv4, port: number): boolean {
    return port === TEREDO_PORT && this.server?.primary === address;
  }

  /** Whether this is the user's own relay, which passes packets on between clients. docs/adr/0017 */
  isMeetingPoint(address: Ipv4, port: number): boolean {
    const { meet } = this.options;
    return meet !== undefined && meet.address === address && meet.port === port;
  }

  /** Whether the IPv6 address at an offset is our Teredo address. */
  isOwn(b: Uint8Array, o: number): boolean {
    return this.address !== undefined && equalBytes(b, o, this.address, 0, 16);
  }

  isLocalAddress(address: Ipv4): boolean {
    const { subnets, localAddress } = this.network;
    if (localAddress === undefined) return inSubnets(address, subnets);
    return subnets.some((subnet) => inSubnets(localAddress, [subnet]) && inSubnets(address, [subnet]));
  }

  /** Whether no NAT of ours stands before a peer at this address: it is on our link, or behind the same NAT. */
  isInside(address: Ipv4): boolean {
    return this.isLocalAddress(address) || !this.policy.isGlobalUnicast(address);
  }

  /** The peer with the address at an offset; it is added if it is not known. CL-91 */
  providePeer(b: Uint8Array, o: number): number {
    const peer = this.peers.find(b, o);
    return peer === NO_PEER ? this.peers.insert(b, o) : peer;
  }
}
