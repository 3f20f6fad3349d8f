import { OPEN_ACCESS } from '../access-list.ts';
import type { AccessList } from '../access-list.ts';
import type { Arrival } from '../arrival.ts';
import type { CommandRing } from '../commands.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import { HashKey } from '../hash.ts';
import type { LimitHits } from '../limit-hits.ts';
import { TokenBuckets } from '../token-buckets.ts';
import {
  DESTINATION,
  ICMPV6,
  ORIGIN_LENGTH,
  SOURCE,
  checkIcmpv6,
  hopLimit,
  icmpv6Type,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  readUint32,
  serverOf,
  writeOrigin,
} from '../../wire/index.ts';
import type { DatagramView } from '../../wire/index.ts';
import type { ServerContext } from './context.ts';
import type { ServerCounter } from './counters.ts';
import { MAX_FORWARDED_TRAILER_BYTES, MAX_ICMPV6_BYTES, forwardingCost } from './limits.ts';
import type { ServerLimits } from './limits.ts';
import { SOCKET, isOwnAddress } from './options.ts';
import type { ServerOptions } from './options.ts';

/** Forwards bubbles and ICMPv6 to Teredo clients, and pings to native hosts. RFC 4380 section 5.3.1 */
export class Forwarding {
  /** Packets are forwarded to allowed addresses only. */
  access: AccessList;
  private readonly options: ServerOptions;
  private readonly counters: Record<ServerCounter, number>;
  private readonly commands: CommandRing;
  private readonly hits: LimitHits;
  private byPair!: FairBudget;
  private toClients!: FairBudget;
  private readonly icmpv6ByPair: TokenBuckets;
  private readonly icmpv6ToClients: FairBudget;
  private readonly sources: HashKey;
  private readonly byClient: FairBudget;
  private readonly toNative: FairBudget;

  constructor(
    options: ServerOptions,
    limits: ServerLimits,
    entropy: Entropy,
    { counters, commands, hits }: ServerContext,
  ) {
    this.options = options;
    this.access = options.access ?? OPEN_ACCESS;
    this.counters = counters;
    this.commands = commands;
    this.hits = hits;
    this.startAgain(limits, entropy);
    this.icmpv6ByPair = new TokenBuckets(limits.forwardedIcmpByPair, entropy);
    this.icmpv6ToClients = new FairBudget(limits.forwardedIcmp, entropy);
    this.sources = new HashKey(entropy);
    this.byClient = new FairBudget(limits.nativeByClient, entropy);
    this.toNative = new FairBudget(limits.native, entropy);
  }

  /** The counts of packets to clients start again, with these limits. */
  startAgain(limits: Pick<ServerLimits, 'forwarded' | 'forwardedByPair'>, entropy: Entropy): void {
    this.byPair = new FairBudget(limits.forwardedByPair, entropy);
    this.toClients = new FairBudget(limits.forwarded, entropy);
  }

  /** The packet has passed the acceptance rules. */
  forward(arrival: Arrival, bubble: boolean): void {
    const { buffer, view } = arrival;
    const at = view.ipv6Start;
    if (!bubble && !this.mayForwardIcmpv6(buffer, view)) return;
    if (isTeredo(buffer, at + DESTINATION)) this.forwardToClient(arrival, bubble);
    else this.forwardToNative(arrival, bubble);
  }

  private mayForwardIcmpv6(buffer: Uint8Array, view: DatagramView): boolean {
    const at = view.ipv6Start;
    const type = icmpv6Type(buffer, at);
    // pings and errors, never neighbour discovery or group membership
    const wanted =
      type === ICMPV6.ECHO_REQUEST ||
      type === ICMPV6.ECHO_REPLY ||
      (type >= ICMPV6.DESTINATION_UNREACHABLE && type <= ICMPV6.PARAMETER_PROBLEM);
    if (!wanted) {
      this.counters.droppedNotForwardable++;
      return false;
    }
    if (view.ipv6End - at > MAX_ICMPV6_BYTES) {
      this.counters.droppedTooLong++;
      return false;
    }
    if (!checkIcmpv6(buffer, at)) {
      this.counters.droppedBadChecksum++;
      return false;
    }
    return true;
  }

  private forwardToClient(arrival: Arrival, bubble: boolean): void {
    const { buffer, view, address, port } = arrival;
    const { counters, options } = this;
    const at = view.ipv6Start;
    const target = mappedAddressOf(buffer, at + DESTINATION);
    const targetPort = mappedPortOf(buffer, at + DESTINATION);
    if (!options.policy.isGlobalUnicast(target) || targetPort === 0) {
      counters.droppedDestinationNotGlobal++; // S-23
      return;
    }
    if (isOwnAddress(options, target)) {
      counters.droppedLoop++; // S-29
      return;
    }
    if (!this.access.allows(target)) {
      counters.droppedDenied++;
      return;
    }
    // RFC 6081 trailers follow a bubble and must pass. S-27
    if (view.trailersEnd - view.ipv6End > MAX_FORWARDED_TRAILER_BYTES) {
      counters.droppedTooLong++;
      return;
    }
    const cost = forwardingCost(view.trailersEnd - at);
    if (!(bubble ? this.takeBubble(arrival, cost) : this.takeIcmpv6(arrival, cost))) {
      counters.droppedForwardLimit++;
      return;
    }
    let start = at;
    if (serverOf(buffer, at + DESTINATION) === options.primary) {
      // S-25, S-26: the server writes its own origin indication over the one received
      start = at - ORIGIN_LENGTH;
      writeOrigin(buffer, start, address, port);
    }
    counters.forwardedToClients++;
    this.commands.transmit(SOCKET.primary, buffer, start, view.trailersEnd, target, targetPort); // S-24
  }

  /**
   * A sender can forge a relay's IPv4 address, but does not know the IPv6 source of its bubbles, which only the client has seen: a flood of
   * other bubbles leaves the relay the reserve.
   */
  private takeBubble({ buffer: b, view, address, now }: Arrival, cost: number): boolean {
    const source = view.ipv6Start + SOURCE;
    const destination = view.ipv6Start + DESTINATION;
    const target = mappedAddressOf(b, destination);
    const [a0, a1, a2, a3] = [0, 4, 8, 12].map((word) => readUint32(b, source + word));
    const member = this.sources.of2(this.sources.of4(a0!, a1!, a2!, a3!), mappedPortOf(b, destination));
    if (!this.byPair.take(address, target, member, now, cost)) this.hits.ipv4('forwarded-by-pair', address);
    else if (!this.toClients.take(0, target, address, now, cost)) this.hits.ipv4('forwarded', target);
    else return true;
    return false;
  }

  private takeIcmpv6({ buffer, view, address, now }: Arrival, cost: number): boolean {
    const target = mappedAddressOf(buffer, view.ipv6Start + DESTINATION);
    if (!this.icmpv6ByPair.take(address, target, now, cost))
      this.hits.ipv4('forwarded-icmp-by-pair', address);
    else if (!this.icmpv6ToClients.take(0, target, address, now, cost))
      this.hits.ipv4('forwarded-icmp', target);
    else return true;
    return false;
  }

  private forwardToNative({ buffer, view, address, port, now }: Arrival, bubble: boolean): void {
    const { counters } = this;
    const at = view.ipv6Start;
    // S-21: only pings and errors, and only from clients (S-15). A bubble has no use in the native Internet.
    const wanted = this.options.native === true && !bubble && isTeredo(buffer, at + SOURCE);
    if (!wanted || !isGlobalNative(buffer, at + DESTINATION)) {
      counters.droppedForeignDestination++;
      return;
    }
    if (hopLimit(buffer, at) <= 1) {
      counters.droppedHopLimit++;
      return;
    }
    const high = readUint32(buffer, at + DESTINATION);
    const low = readUint32(buffer, at + DESTINATION + 4);
    const cost = forwardingCost(view.ipv6End - at);
    const isOfClient = this.byClient.take(0, address, port, now, cost);
    if (!isOfClient || !this.toNative.take(high, low, address, now, cost)) {
      counters.droppedNativeLimit++;
      if (isOfClient) this.hits.network('native', high, low);
      else this.hits.ipv4('native-by-client', address);
      return;
    }
    buffer[at + 7]--; // S-22, A-6
    counters.forwardedToNative++;
    this.commands.deliver(buffer, at, view.ipv6End);
  }
}

/** 2000::/3, the only global unicast space that IANA has allocated. */
function isGlobalNative(buffer: Uint8Array, offset: number): boolean {
  return buffer[offset]! >>> 5 === 1;
}
