import { OPEN_ACCESS } from '../access-list.ts';
import type { AccessList } from '../access-list.ts';
import { Arrival } from '../arrival.ts';
import { CommandRing } from '../commands.ts';
import { DECODE_COUNTERS } from '../decode-counters.ts';
import { makeCounters } from '../machine.ts';
import type { Machine, SocketId } from '../machine.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import {
  ALL_ROUTERS,
  CONE_FLAG,
  DESTINATION,
  ICMPV6,
  NEXT_HEADER,
  SOURCE,
  TEREDO_PORT,
  decodeDatagram,
  equalBytes,
  icmpv6Type,
  isBubble,
  isLinkLocal,
  isNoSource,
  isSiteOnly,
  isTeredo,
  makeLinkLocal,
  mappedAddressOf,
  mappedPortOf,
  nextHeader,
  payloadLength,
  serverOf,
} from '../../wire/index.ts';
import type { Ipv4, Ipv6 } from '../../wire/index.ts';
import { LimitHits } from '../limit-hits.ts';
import { SERVER_COUNTERS } from './counters.ts';
import { Forwarding } from './forwarding.ts';
import { changeLimits, liveCopy } from '../live-limits.ts';
import { SERVER_LIMITS, partOf } from './limits.ts';
import type { ServerLimits, SharedWork } from './limits.ts';
import { isOwnAddress } from './options.ts';
import type { ServerOptions } from './options.ts';
import { Solicitation } from './solicitation.ts';
import type { ServerMachineStatus } from './status.ts';

/** The Teredo server: stateless except for budgets. RFC 4380 section 5.3 */
export class ServerMachine implements Machine {
  readonly commands = new CommandRing();
  readonly counters = makeCounters(SERVER_COUNTERS);
  readonly limitHits = new LimitHits();
  /** RFC 4380 section 5.3.2: cone flag set, port 3544, own IPv4 address. S-32 */
  readonly linkLocal: Ipv6;

  private readonly options: ServerOptions;
  private readonly entropy: Entropy;
  private readonly arrival = new Arrival();
  private readonly solicitation: Solicitation;
  private readonly forwarding: Forwarding;
  private accessList: AccessList;
  private wholeLimits: ServerLimits;
  /** The machine's present part of each work that it shares with the kernel path. */
  private readonly parts: Record<SharedWork, number> = { answers: 1, forwarded: 1 };
  /** The limits for these parts. */
  private readonly live: ServerLimits;

  constructor(options: ServerOptions, entropy: Entropy) {
    this.options = options;
    this.accessList = options.access ?? OPEN_ACCESS;
    this.linkLocal = makeLinkLocal({
      flags: CONE_FLAG,
      mappedPort: TEREDO_PORT,
      mappedAddress: options.primary,
    });
    this.entropy = entropy;
    this.wholeLimits = options.limits ?? SERVER_LIMITS;
    this.live = liveCopy(partOf(this.wholeLimits, this.parts));
    const answers = new FairBudget(this.live.answers, entropy);
    const context = { counters: this.counters, commands: this.commands, hits: this.limitHits };
    this.solicitation = new Solicitation(options, this.linkLocal, answers, context);
    this.forwarding = new Forwarding(options, this.live, entropy, context);
  }

  /**
   * The machine does this part (0 to 1) of the work from now on, and the kernel path the rest: sets the limits accordingly; their counts start again.
   */
  takePart(work: SharedWork, part: number): void {
    this.parts[work] = part;
    this.setLimits(this.wholeLimits);
    if (work === 'answers') this.solicitation.answers = new FairBudget(this.live.answers, this.entropy);
    else this.forwarding.startAgain(this.live, this.entropy);
  }

  get limits(): ServerLimits {
    return this.wholeLimits;
  }

  /** From now on these limits hold; the counts stay. */
  setLimits(limits: ServerLimits): void {
    this.wholeLimits = limits;
    changeLimits(this.live, partOf(limits, this.parts));
  }

  get access(): AccessList {
    return this.accessList;
  }

  /** Frozen; its counters are those of this moment. */
  status(now: number): ServerMachineStatus {
    const { accessList: access, counters } = this;
    return Object.freeze({ at: now, access, counters: Object.freeze({ ...counters }) });
  }

  /** Sets the addresses that are served, and to which packets are forwarded. */
  setAccess(access: AccessList): void {
    this.accessList = this.forwarding.access = access;
  }

  /** The advertisement that answers every solicitation; its destination is all zeros here. */
  get advertisement(): Uint8Array {
    return this.solicitation.advertisement;
  }

  /** The acceptance rules of RFC 4380 section 5.3.1, in their order, for allowed addresses. */
  // eslint-disable-next-line eslint/max-params -- the contract of machines: plain numbers, so that a datagram costs no object
  handleDatagram(
    socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { arrival, counters } = this;
    const { view } = arrival;
    arrival.socket = socket;
    arrival.buffer = buffer;
    arrival.address = address;
    arrival.port = port;
    arrival.now = now;
    counters.receivedDatagrams++;
    if (!this.accessList.allows(address)) {
      counters.droppedDenied++;
      return;
    }
    if (!this.options.policy.isGlobalUnicast(address)) {
      counters.droppedSourceNotGlobal++; // S-12
      return;
    }
    if (port === TEREDO_PORT && isOwnAddress(this.options, address)) {
      counters.droppedOwnSource++; // S-29
      return;
    }
    const reason = decodeDatagram(buffer, start, end, view);
    if (reason !== undefined) {
      counters[DECODE_COUNTERS[reason]]++; // S-10
      return;
    }
    const at = view.ipv6Start;
    const bubble = isBubble(buffer, at);
    const icmpv6 = nextHeader(buffer, at) === NEXT_HEADER.ICMPV6 && payloadLength(buffer, at) >= 4;
    if (!bubble && !icmpv6) {
      counters.droppedNotForwardable++; // S-3, S-11
      return;
    }
    if (icmpv6 && this.isForUs(buffer, at)) {
      this.handleOwn(arrival);
      return;
    }
    if (isNoSource(buffer, at + SOURCE) || this.isStrayed(buffer, at + SOURCE)) {
      counters.droppedForgedSource++; // S-16, S-17
      return;
    }
    if (isTeredo(buffer, at + SOURCE)) {
      const matches =
        mappedAddressOf(buffer, at + SOURCE) === address && mappedPortOf(buffer, at + SOURCE) === port;
      if (!matches) {
        counters.droppedForgedSource++; // S-15, S-17
        return;
      }
    } else if (!this.isServed(buffer, at + DESTINATION)) {
      counters.droppedForeignDestination++; // S-16, S-17
      return;
    }
    this.forwarding.forward(arrival, bubble);
  }

  /** A server has no tunnel interface, so no packet comes from there. */
  handlePacket(): void {}

  /** A server has no timers. S-2 */
  handleTimeout(): void {}

  pollTimeout(): number {
    return Infinity;
  }

  /** S-20: to the all-routers group, or to the server's link-local address. */
  private isForUs(buffer: Uint8Array, at: number): boolean {
    return (
      equalBytes(buffer, at + DESTINATION, ALL_ROUTERS, 0, 16) ||
      equalBytes(buffer, at + DESTINATION, this.linkLocal, 0, 16)
    );
  }

  private handleOwn(arrival: Arrival): void {
    const { buffer } = arrival;
    const at = arrival.view.ipv6Start;
    // S-13: only a link-local source may solicit. For any other source no rule accepts this destination.
    if (!isLinkLocal(buffer, at + SOURCE)) {
      this.counters.droppedForeignDestination++;
      return;
    }
    if (icmpv6Type(buffer, at) === ICMPV6.ECHO_REQUEST) {
      this.solicitation.answerPing(arrival);
    } else {
      this.solicitation.answer(arrival);
    }
  }

  /** Whether the address is neither global nor link-local. S-16 */
  private isStrayed(buffer: Uint8Array, offset: number): boolean {
    return isSiteOnly(buffer, offset) && !this.options.policy.allowPrivate;
  }

  private isServed(buffer: Uint8Array, offset: number): boolean {
    return isTeredo(buffer, offset) && serverOf(buffer, offset) === this.options.primary;
  }
}
