import { OPEN_ACCESS } from '../access-list.ts';
import type { AccessList } from '../access-list.ts';
import { Arrival } from '../arrival.ts';
import { CommandRing } from '../commands.ts';
import { DECODE_COUNTERS } from '../decode-counters.ts';
import { SILENCE_MS, TUNNEL_MTU } from '../constants.ts';
import { takeOuterEcn } from '../ecn.ts';
import type { Entropy } from '../entropy.ts';
import type { KnownPeer } from '../known-peer.ts';
import { makeCounters } from '../machine.ts';
import type { OffloadingMachine, SocketId } from '../machine.ts';
import { Offload } from '../offload/offload.ts';
import { NO_PEER, PeerTable, TRUSTED } from '../peer-table.ts';
import type { PeerTraffic } from '../peer-traffic.ts';
import {
  DESTINATION,
  IPV6_HEADER,
  SOURCE,
  checkIpv6,
  decodeDatagram,
  isBubble,
  isSourceRouted,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  payloadLength,
} from '../../wire/index.ts';
import type { Ipv4, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import { Bfd } from './bfd.ts';
import { Contacting } from './contacting.ts';
import type { RelayContext } from './context.ts';
import { RELAY_COUNTERS } from './counters.ts';
import { Errors } from './errors.ts';
import { LimitHits } from '../limit-hits.ts';
import { changeLimits, liveCopy } from '../live-limits.ts';
import { RELAY_LIMITS } from './limits.ts';
import type { RelayLimits } from './limits.ts';
import type { RelayOptions } from './options.ts';
import { Meeting } from './meeting.ts';
import { ServedRange } from './served.ts';
import type { RelayMachineStatus } from './status.ts';
import { FIRST_SWEEP_MS, sweepSome } from '../sweeping.ts';
import { RelayUsers } from '../users/index.ts';
import type { HeavyUsers, UserWindow } from '../users/index.ts';

/** The Teredo relay, and with the host's own addresses as its range the host-specific relay. RFC 4380 section 5.4 */
export class RelayMachine implements OffloadingMachine {
  readonly commands = new CommandRing();
  readonly counters = makeCounters(RELAY_COUNTERS);
  readonly limitHits = new LimitHits();
  readonly peers: PeerTable;

  private readonly context: RelayContext;
  private readonly offload: Offload;
  private readonly users: RelayUsers;
  private readonly served: ServedRange;
  private readonly contacting: Contacting;
  private readonly errors: Errors;
  private readonly meeting: Meeting | undefined;
  private readonly bfd: Bfd | undefined;
  private readonly policy: RelayOptions['policy'];
  private readonly arrival = new Arrival();
  private nextSweep = Infinity;

  constructor(options: RelayOptions, entropy: Entropy) {
    const limits = liveCopy(options.limits ?? RELAY_LIMITS);
    const { commands, counters, limitHits: hits } = this;
    this.peers = new PeerTable(limits.peers, entropy, (peer) => this.contacting.abandon(peer), false);
    this.offload = new Offload(commands, this.peers, options.offload ?? false);
    this.users = new RelayUsers(entropy);
    const { peers, offload, users } = this;
    const access = options.access ?? OPEN_ACCESS;
    peers.onFull = (pool, peer) => this.contacting.noteFull(pool, peer);
    const context: RelayContext = {
      options,
      access,
      limits,
      entropy,
      counters,
      hits,
      commands,
      peers,
      offload,
      users,
    };
    this.context = context;
    this.policy = options.policy;
    this.served = new ServedRange(options.serve);
    this.errors = new Errors(context);
    this.contacting = new Contacting(context, this.errors);
    this.bfd = options.bfdAddress && new Bfd(context, options.bfdAddress);
    this.meeting = options.meet === true ? new Meeting(context, this.contacting, this.errors) : undefined;
  }

  /** Reception from Teredo clients. RFC 4380 section 5.4.2 */
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
    const { arrival, counters, peers } = this;
    const { view } = arrival;
    arrival.socket = socket;
    arrival.buffer = buffer;
    arrival.address = address;
    arrival.port = port;
    arrival.now = now;
    view.tos = tos;
    counters.receivedDatagrams++;
    if (!this.context.access.allows(address)) {
      counters.droppedDenied++;
      return;
    }
    const reason = decodeDatagram(buffer, start, end, view);
    if (reason !== undefined) {
      counters[DECODE_COUNTERS[reason]]++;
      return;
    }
    const at = view.ipv6Start;
    if (isSourceRouted(buffer, at)) {
      counters.droppedRoutingHeader++; // C-31
      return;
    }
    const source = at + SOURCE;
    arrival.peer = peers.find(buffer, source);
    const isClients = isTeredo(buffer, source) && this.isPairOf(arrival);
    if (this.meeting !== undefined && isTeredo(buffer, source) && isTeredo(buffer, at + DESTINATION)) {
      this.meeting.handle(arrival, isClients);
    } else if (isBubble(buffer, at) && (isClients || this.isAnswerFrom(arrival))) {
      this.handleBubble(arrival);
    } else if (isClients) this.handleData(arrival);
    else counters.droppedForgedSource++;
  }

  /** Transmission to Teredo clients. RFC 4380 section 5.4.1 */
  handlePacket(buffer: Uint8Array, start: number, end: number, now: number): void {
    const { counters, peers, contacting } = this;
    counters.receivedPackets++;
    if (checkIpv6(buffer, start, end) !== undefined) {
      counters.droppedMalformedPacket++;
      return;
    }
    const destination = start + DESTINATION;
    if (!isTeredo(buffer, destination)) {
      if (this.bfd?.handle(buffer, start, now) !== true) counters.droppedNotTeredo++;
      return;
    }
    if (!this.served.has(buffer, start + SOURCE)) {
      counters.droppedForeignSource++;
      return;
    }
    if (isSourceRouted(buffer, start)) {
      counters.droppedRoutingHeader++; // C-31
      return;
    }
    const length = IPV6_HEADER + payloadLength(buffer, start);
    if (length > TUNNEL_MTU) {
      counters.droppedTooBig++;
      this.errors.packetTooBig(buffer, start, now);
      return;
    }
    const peer = peers.find(buffer, destination);
    if (peer === NO_PEER || !peers.isValid(peer, now)) {
      contacting.reach(peer, buffer, start, start + length, now);
      this.scheduleSweep(now);
      return;
    }
    const heard = peers.lastReceived.at(peer);
    this.offload.sent(peer);
    const unanswered = peers.lastSent.at(peer) > heard && now - heard >= SILENCE_MS;
    contacting.send(peer, buffer, start, start + length, now);
    if (unanswered) contacting.question(peer, buffer, start, now);
  }

  /** The relay runs: a routing daemon that asks by BFD gets answers from now on. */
  begin(): void {
    this.bfd?.begin();
  }

  /** A routing daemon that asks by BFD learns that this relay is not to be used any more. */
  withdraw(now: number): void {
    this.bfd?.withdraw(now);
  }

  handleTimeout(now: number): void {
    this.contacting.handleTimeout(now);
    this.bfd?.handleTimeout(now);
    if (now < this.nextSweep) return;
    this.nextSweep = now + sweepSome(this.peers, now);
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
    const peer = this.offload.findCarried(buffer, offset);
    if (peer === NO_PEER) return;
    if (traffic !== undefined) {
      this.peers.countCarried(peer, traffic);
      this.users.carried(buffer, offset, traffic, now - Math.max(receivedAt, sentAt), now);
    }
    this.contacting.carried(peer, receivedAt, sentAt, now);
  }

  handleTallies(buffer: Uint8Array, offset: number, received: number, sent: number, now: number): void {
    this.users.tallied(buffer, offset, received, sent, now);
  }

  /** The clients and native prefixes with the most traffic of a window: at most `most` of each. */
  usersOver(window: UserWindow, most: number, now: number): HeavyUsers {
    return this.users.over(window, most, now);
  }

  trafficOf(address: Ipv6): PeerTraffic | undefined {
    const peer = this.peers.find(address, 0);
    return peer === NO_PEER ? undefined : this.peers.trafficOf(peer);
  }

  /** Peers that a predecessor of this process has trusted are trusted again, as far as this relay's settings permit. Returns how many. */
  adopt(known: Iterable<KnownPeer>, now: number): number {
    const before = this.peers.trustedCount;
    for (const peer of known) this.contacting.adopt(peer, now);
    this.scheduleSweep(now);
    return this.peers.trustedCount - before;
  }

  /**
   * Packets of native hosts that wait for a client to become trusted: a successor handles them as if they had just come. Packets of clients
   * that meet here are not among them.
   */
  *waitingPackets(): Generator<Uint8Array> {
    for (const packet of this.contacting.waitingPackets()) if (this.served.has(packet, SOURCE)) yield packet;
  }

  handleOffloadReset(_now: number): void {
    this.offload.reset();
  }

  setOffload(on: boolean): void {
    this.offload.set(on);
  }

  offerAll(now: number): Iterable<void> {
    return this.offload.offerAll(now);
  }

  /** Whether this peer has been offered to the kernel path. */
  isOffloaded(peer: number): boolean {
    return this.offload.has(peer);
  }

  get access(): AccessList {
    return this.context.access;
  }

  /** Frozen; its counters are those of this moment. */
  status(now: number): RelayMachineStatus {
    const { peers, counters } = this;
    const { access } = this.context;
    return Object.freeze({
      at: now,
      access,
      peers: peers.peerCounts,
      traffic: peers.ownTraffic,
      counters: Object.freeze({ ...counters }),
    });
  }

  get limits(): RelayLimits {
    return this.context.limits;
  }

  /** From now on these limits hold. A lower number of peers removes none at once. */
  setLimits(limits: RelayLimits): void {
    changeLimits(this.context.limits, limits);
  }

  /** Sets which clients are served. Denied peers are removed, of many some at each timeout; the others are not affected. */
  setAccess(access: AccessList, now: number): void {
    this.context.access = access;
    this.contacting.forgetDenied(now);
  }

  /** Sets the native addresses that are served, after the host's addresses have changed. H-5 */
  setServed(serve: readonly Ipv6Prefix[]): void {
    this.served.set(serve);
  }

  /** The host's addresses have changed: `localAddress` is the source of errors; no packet is sent to `own`. */
  setHostAddresses(localAddress: Ipv6, own: readonly Ipv4[]): void {
    this.errors.setSource(localAddress);
    this.contacting.setOwnAddresses(own);
  }

  /** Whether bubbles are sent directly to clients, too: the host is now behind a NAT, or no longer. R-10, H-7 */
  setDirectBubbles(direct: boolean): void {
    this.contacting.setDirectBubbles(direct);
  }

  pollTimeout(): number {
    const { contacting, bfd, nextSweep } = this;
    return Math.min(contacting.pollTimeout(), nextSweep, bfd?.pollTimeout() ?? Infinity);
  }

  /** Whether the client sends from this address and port: those known for a trusted peer, those in the Teredo address of any other. */
  private isPairOf({ buffer: b, view, address, port, peer }: Arrival): boolean {
    const { peers } = this;
    const source = view.ipv6Start + SOURCE;
    if (peer !== NO_PEER && peers.status[peer] === TRUSTED)
      return peers.mappedAddress[peer] === address && peers.mappedPort[peer] === port;
    return mappedAddressOf(b, source) === address && mappedPortOf(b, source) === port;
  }

  /**
   * A client behind a symmetric NAT sends from another address and port than its Teredo address says. It proves itself with the source of
   * this relay's bubble. Its outer source is no less reliable than its Teredo address: the sender can choose both.
   */
  private isAnswerFrom({ buffer: b, view, address, port, now }: Arrival): boolean {
    const at = view.ipv6Start;
    const isPossible = isTeredo(b, at + SOURCE) && this.policy.isGlobalUnicast(address) && port !== 0;
    return isPossible && this.contacting.isAnswer(b, at, now);
  }

  /**
   * R-22, R-24: the bubble is consumed. A new peer becomes trusted only by a bubble to the secret source address of this relay's bubble.
   * Otherwise a sender that forges a client's IPv4 address could direct other hosts' traffic to that client.
   */
  private handleBubble(arrival: Arrival): void {
    const { buffer, view, peer, now } = arrival;
    this.counters.bubblesReceived++;
    if (this.contacting.isAnswer(buffer, view.ipv6Start, now)) {
      this.contacting.trust(arrival);
      this.scheduleSweep(now);
    } else if (peer === NO_PEER) this.counters.droppedUnsolicited++;
    else if (this.peers.status[peer] === TRUSTED) this.contacting.revive(peer, now);
    else this.counters.droppedForgedProof++;
  }

  private scheduleSweep(now: number): void {
    if (this.nextSweep === Infinity) this.nextSweep = now + FIRST_SWEEP_MS;
  }

  private handleData({ buffer, view, peer, now }: Arrival): void {
    const { counters, peers } = this;
    const at = view.ipv6Start;
    if (peer === NO_PEER) {
      counters.droppedUnsolicited++;
      return;
    }
    if (!this.served.has(buffer, at + DESTINATION)) {
      counters.droppedNotServed++;
      return;
    }
    if (peers.status[peer] !== TRUSTED) {
      // Data may overtake the bubble that the client sent before it. It is accepted, but the peer does not become trusted.
      if (!this.contacting.isUnderway(peer)) {
        counters.droppedUnverified++;
        return;
      }
    } else if (peers.isValid(peer, now)) {
      // As `revive`, without its search for a contact: a valid peer has none.
      peers.lastReceived.set(peer, now);
      peers.resetBubbles(peer);
      this.offload.heard(peer, now);
    } else {
      this.contacting.revive(peer, now);
    }
    if (!takeOuterEcn(buffer, at, view.tos)) {
      counters.droppedEcn++; // N-8
      return;
    }
    counters.relayedToNative++;
    peers.countReceived(peer, view.ipv6End - at);
    this.users.received(buffer, at, view.ipv6End - at, now);
    this.commands.deliver(buffer, at, view.ipv6End);
  }
}
