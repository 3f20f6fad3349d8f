import { Arrival } from '../arrival.ts';
import type { CommandRing } from '../commands.ts';
import { DECODE_COUNTERS } from '../decode-counters.ts';
import type { Entropy } from '../entropy.ts';
import type { ClientState } from '../events.ts';
import type { OffloadingMachine, SocketId } from '../machine.ts';
import type { LimitHits } from '../limit-hits.ts';
import type { KnownPeer } from '../known-peer.ts';
import { NO_PEER, TRUSTED } from '../peer-table.ts';
import type { PeerTable } from '../peer-table.ts';
import type { PeerTraffic } from '../peer-traffic.ts';
import { decodeDatagram, isSourceRouted, isTeredo, parseTrailers } from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../wire/index.ts';
import { isAdvertisement } from './ask/advertisement.ts';
import { Traversal } from './traversal/index.ts';
import { Bubbles } from './ask/bubbles.ts';
import { ConnectivityTest } from './ask/connectivity-test.ts';
import { ClientContext } from './context.ts';
import { HeldPackets } from './peers/held-packets.ts';
import { LocalDiscovery } from './ask/local-discovery.ts';
import { LocalErrors } from './peers/local-errors.ts';
import type { ClientLimits } from './limits.ts';
import { SOCKET } from './options.ts';
import type { AttachedNetwork, ClientOptions, ServerCandidate } from './options.ts';
import { PeerContacts } from './peers/peer-contacts.ts';
import { Reception } from './packets/reception.ts';
import { RefreshIntervalDetermination } from './service/refresh-interval.ts';
import { Service } from './service/service.ts';
import type { KnownQualification } from './service/service.ts';
import type { ClientMachineStatus, ContactProgress, PeerStatus } from './status.ts';
import { FIRST_SWEEP_MS, sweepSome } from '../sweeping.ts';
import { Transmission } from './packets/transmission.ts';

/** The Teredo client: makes its parts, and hands each input to the part that handles it. RFC 4380 section 5.2, RFC 5991 */
export class ClientMachine implements OffloadingMachine {
  private readonly context: ClientContext;
  private readonly service: Service;
  private readonly bubbles: Bubbles;
  private readonly contacts: PeerContacts;
  private readonly held: HeldPackets;
  private readonly discovery: LocalDiscovery;
  private readonly reception: Reception;
  private readonly refreshInterval: RefreshIntervalDetermination;
  private readonly transmission: Transmission;
  private readonly traversal: Traversal;
  private readonly arrival = new Arrival();
  private sweepAt = Infinity;

  constructor(options: ClientOptions, entropy: Entropy) {
    const context = new ClientContext(options, entropy, (peer) => this.contacts.drop(peer));
    const bubbles = new Bubbles(context);
    const errors = new LocalErrors(context);
    const test = new ConnectivityTest(context);
    this.context = context;
    this.bubbles = bubbles;
    this.held = new HeldPackets(context);
    this.discovery = new LocalDiscovery(context, bubbles);
    const traversal = (this.traversal = new Traversal(context, bubbles));
    const shared = { bubbles, errors, test, traversal, discovery: this.discovery, held: this.held };
    this.contacts = new PeerContacts(context, shared);
    const parts = { ...shared, contacts: this.contacts };
    this.reception = new Reception(context, parts);
    this.transmission = new Transmission(context, parts);
    this.refreshInterval = new RefreshIntervalDetermination(context, bubbles);
    this.service = new Service(
      context,
      this.discovery,
      this.refreshInterval,
      () => traversal.interrupt(),
      (now) => this.contacts.reopenToTalkers(now),
    );
  }

  get commands(): CommandRing {
    return this.context.commands;
  }
  get counters(): Readonly<Record<string, number>> {
    return this.context.counters;
  }
  get limitHits(): LimitHits {
    return this.context.hits;
  }
  get state(): ClientState {
    return this.service.state;
  }
  get address(): Ipv6 | undefined {
    return this.context.address;
  }

  /** Frozen; its counters are those of this moment. */
  status(now: number): ClientMachineStatus {
    const { context, service } = this;
    const { qualified } = context;
    return Object.freeze({
      at: now,
      state: service.state,
      reason: service.reason,
      nat: context.natKind,
      symmetricNatRuledOut: qualified?.verified ?? false,
      server: qualified?.server,
      serverResults: context.logs,
      lastServerContact: context.lastServerContact,
      roundTripMs: context.roundTripMs,
      refreshIntervalMs: context.refreshIntervalMs,
      address: context.address,
      mapped: context.mapped,
      peers: context.peers.peerCounts,
      traffic: context.peers.ownTraffic,
      counters: Object.freeze({ ...context.counters }),
    });
  }

  // eslint-disable-next-line eslint/max-params -- the contract of machines: plain numbers, so that a datagram costs no object
  handleDatagram(
    socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: Ipv4,
    port: number,
    now: number,
    tos = 0,
  ): void {
    const { arrival } = this;
    arrival.socket = socket;
    arrival.buffer = buffer;
    arrival.address = address;
    arrival.port = port;
    arrival.now = now;
    arrival.view.tos = tos;
    this.context.counters.receivedDatagrams++;
    if (socket === SOCKET.discovery) this.discovery.handleDatagram(arrival, start, end);
    else this.decode(arrival, start, end);
  }

  /** Every datagram but those to the discovery group: drops it, or hands it to the part that it is for. */
  private decode(arrival: Arrival, start: number, end: number): void {
    const { context } = this;
    const { counters } = context;
    const { socket, buffer, view, address, port, now } = arrival;
    const reason = decodeDatagram(buffer, start, end, view); // CL-40
    if (reason !== undefined) {
      counters[DECODE_COUNTERS[reason]]++;
      return;
    }
    arrival.trailers = parseTrailers(buffer, view.ipv6End, end);
    if (arrival.trailers.discard) {
      counters.droppedTrailer++; // E-3
      return;
    }
    if (isSourceRouted(buffer, view.ipv6Start)) {
      counters.droppedRoutingHeader++; // C-31
      return;
    }
    if (socket === SOCKET.refreshProbe) {
      this.refreshInterval.handleDatagram(buffer, view, { address, port }, now);
      return;
    }
    if (socket === SOCKET.service && context.isServer(address, port)) {
      context.lastServerContact = now; // CL-42
      context.silence.reset();
    }
    if (isAdvertisement(buffer, view.ipv6Start)) {
      const received = { buffer, view, from: { address, port }, now };
      if (socket !== SOCKET.service) this.traversal.handleAdvertisement(socket, received);
      else this.service.handleAdvertisement(received);
    } else if (context.qualified === undefined) {
      counters.droppedUnqualifiedInbound++;
    } else {
      this.reception.handleDatagram(arrival);
    }
  }

  handlePacket(buffer: Uint8Array, start: number, end: number, now: number): void {
    this.transmission.handlePacket(buffer, start, end, now);
  }

  /** A peer is contacted without a socket of its own. Other parts ask for their socket again later. */
  socketFailed(socket: SocketId, now: number): void {
    this.context.counters.socketsFailed++;
    if (socket === SOCKET.discovery) this.discovery.socketFailed();
    else if (socket === SOCKET.refreshProbe) this.refreshInterval.socketFailed(now);
    else this.traversal.socketFailed(socket, now);
  }

  handleTimeout(now: number): void {
    this.service.handleTimeout(now);
    this.discovery.handleTimeout(now);
    this.refreshInterval.handleTimeout(now);
    this.bubbles.handleTimeout(now);
    this.held.handleTimeout(now);
    if (this.context.qualified !== undefined) {
      this.contacts.handleTimeout(now);
      this.traversal.handleTimeout(now);
    }
    if (now >= this.sweepAt)
      this.sweepAt = now + Math.min(FIRST_SWEEP_MS, sweepSome(this.context.peers, now));
  }

  // eslint-disable-next-line eslint/max-params -- the contract of machines: plain numbers, so that a report costs no object
  handleCarried(
    buffer: Uint8Array,
    offset: number,
    receivedAt: number,
    sentAt: number,
    now: number,
    traffic?: PeerTraffic,
  ): void {
    const peer = this.context.offload.findCarried(buffer, offset);
    if (peer === NO_PEER) return;
    if (traffic !== undefined) this.context.peers.countCarried(peer, traffic);
    this.contacts.carried(peer, receivedAt, sentAt, now);
  }

  /** Another thread has sent packets to the peer with the address at an offset: it is asked, as after packets of this one, where there is doubt. */
  handleSentElsewhere(buffer: Uint8Array, offset: number, now: number): void {
    const peer = this.context.peers.find(buffer, offset);
    if (peer !== NO_PEER) this.transmission.noteSentElsewhere(peer, now);
  }

  trafficOf(address: Ipv6): PeerTraffic | undefined {
    const peer = this.context.peers.find(address, 0);
    return peer === NO_PEER ? undefined : this.context.peers.trafficOf(peer);
  }

  handleOffloadReset(_now: number): void {
    this.context.offload.reset();
  }

  setOffload(on: boolean): void {
    this.context.offload.set(on);
  }

  offerAll(now: number): Iterable<void> {
    return this.context.offload.offerAll(now);
  }

  /**
   * Before {@link start}: the address of a predecessor of this process, and its qualification, if it had one. The address stays if a server sees the
   * same mapping.
   */
  adopt(address: Ipv6, qualification?: KnownQualification): boolean {
    return this.service.adopt(address, qualification);
  }

  /** Peers that the predecessor has trusted are trusted again, if its qualification was adopted. Returns how many. */
  adoptPeers(known: Iterable<KnownPeer>, now: number): number {
    if (this.context.qualified === undefined) return 0;
    const before = this.context.peers.trustedCount;
    for (const peer of known) this.contacts.adopt(peer, now);
    return this.context.peers.trustedCount - before;
  }

  /** For a successor; undefined: the client is not qualified. */
  get qualification(): KnownQualification | undefined {
    return this.service.knownQualification;
  }

  /** For a successor: the marks of a trusted peer that is reached by the service port; undefined for others. */
  marksOf(peer: number, now: number): number | undefined {
    return this.contacts.marksOf(peer, now);
  }

  get peerTable(): PeerTable {
    return this.context.peers;
  }

  start(now: number): void {
    this.service.start(now);
    this.sweepAt = now + FIRST_SWEEP_MS;
  }

  stop(_now: number): void {
    this.service.stop();
    this.sweepAt = Infinity;
  }

  /** As {@link stop}, until {@link start}: the host has native IPv6. RFC 4380 section 5.5, CL-7 */
  rest(_now: number): void {
    this.service.stop(true);
    this.sweepAt = Infinity;
  }

  /** The host has moved, or its addresses have changed: the mapping is determined again. */
  networkChanged(now: number, network: AttachedNetwork): void {
    this.service.networkChanged(network, now);
  }

  /** The local UDP port, once its socket is open. */
  setServicePort(port: number): void {
    this.context.servicePort = port;
  }

  get limits(): ClientLimits {
    return this.context.limits;
  }

  /** From now on these limits hold; a limit that is left out is at its default. A lower number of peers removes none at once. */
  setLimits(limits: Partial<ClientLimits>): void {
    this.context.setLimits(limits);
  }

  /** Names were resolved again. */
  setServers(servers: readonly ServerCandidate[], now: number): void {
    this.service.setServers(servers, now);
  }

  /** The pair of the user's gateway at which all senders reach the service port; undefined: none. RFC 6081 section 5.3.3 */
  setGatewayMapping(mapped: Endpoint | undefined, _now: number): void {
    this.context.gateway = mapped; // E-45
  }

  /** Begins a contact for which no packet is queued; false: no contact with this address is possible. */
  contact(address: Ipv6, now: number): boolean {
    return this.transmission.contact(address, now);
  }

  /** How far the search for a way to this peer has come; undefined while not qualified. */
  progress(address: Ipv6, now: number): ContactProgress | undefined {
    const { context } = this;
    if (context.qualified === undefined) return undefined;
    const peer = context.peers.find(address, 0);
    if (peer === NO_PEER) {
      const none = { mapped: undefined, means: undefined, ...this.traversal.progressOf(NO_PEER) };
      return { state: 'unknown', attempts: 0, ...none };
    }
    const trusted = context.peers.status[peer] === TRUSTED;
    const { mappedAddress, mappedPort } = context.peers;
    return {
      state: this.peerState(peer, trusted, now),
      attempts: this.contacts.attemptsOf(peer),
      mapped: trusted ? { address: mappedAddress[peer], port: mappedPort[peer] } : undefined,
      means: trusted ? this.traversal.meansOf(peer) : undefined,
      ...this.traversal.progressOf(peer),
    };
  }

  /** The trusted first. Inputs may come between two of them: each is shown as it is when it is taken, except for `state`, which is of `now`. */
  *peers(now: number): Generator<PeerStatus> {
    for (const peer of this.peersInSteps(now)) if (peer !== undefined) yield peer;
  }

  /** As {@link peers}; undefined after some work without one. */
  *peersInSteps(now: number): Generator<PeerStatus | undefined> {
    const { peers } = this.context;
    for (const peer of peers.walkInSteps()) {
      if (peer === NO_PEER) {
        yield undefined;
        continue;
      }
      const trusted = peers.status[peer] === TRUSTED;
      yield {
        address: peers.address(peer),
        mapped: trusted ? { address: peers.mappedAddress[peer], port: peers.mappedPort[peer] } : undefined,
        trusted,
        means: trusted ? this.traversal.meansOf(peer) : undefined,
        local:
          peers.localSeen.at(peer) === -Infinity
            ? undefined
            : { address: peers.localAddress[peer], port: peers.localPort[peer] },
        lastReceivedMs: peers.lastReceived.at(peer),
        lastSentMs: peers.lastSent.at(peer),
        bubbles: isTeredo(peers.address(peer), 0) ? peers.bubbleCount(peer) : 0,
        state: this.peerState(peer, trusted, now),
        offloaded: this.context.offload.has(peer),
      };
    }
  }

  pollTimeout(): number {
    return Math.min(
      this.service.pollTimeout(),
      this.discovery.pollTimeout(),
      this.refreshInterval.pollTimeout(),
      this.bubbles.pollTimeout(),
      this.held.pollTimeout(),
      this.context.qualified === undefined ? Infinity : this.contacts.pollTimeout(),
      this.context.qualified === undefined ? Infinity : this.traversal.pollTimeout(),
      this.sweepAt,
    );
  }

  private peerState(peer: number, trusted: boolean, now: number): PeerStatus['state'] {
    if (this.contacts.isUnderway(peer)) return 'contacting';
    if (!trusted) return 'unverified';
    return this.context.peers.isValid(peer, now) ? 'valid' : 'stale';
  }
}
