import { TUNNEL_MTU } from '../constants.ts';
import { FairShares } from '../fair-shares.ts';
import { HashKey } from '../hash.ts';
import {
  IPV6_HEADER,
  SOURCE,
  buildPacketTooBig,
  buildTimeExceeded,
  buildUnreachable,
  mayCauseIcmpError,
  payloadLength,
  readUint32,
} from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { RelayContext } from './context.ts';

/** RFC 4443 section 3.1: communication with destination administratively prohibited. */
const ADMINISTRATIVELY_PROHIBITED = 1;
/** RFC 4443 section 3.3: hop limit exceeded in transit. */
const IN_TRANSIT = 0;
/** RFC 4443 section 3.1: address unreachable. */
const ADDRESS_UNREACHABLE = 3;

/** Number of buckets for /64s. */
const GROUPS = 16_384;
/** Weight of a host within its /64. */
const WEIGHTS = [4];

/** ICMPv6 errors to native hosts, within a limit. */
export class Errors {
  private readonly context: RelayContext;
  private readonly budget: FairShares;
  private readonly sites: HashKey;
  private source: Ipv6 | undefined;

  constructor(context: RelayContext) {
    this.context = context;
    this.source = context.options.localAddress;
    this.budget = new FairShares(context.limits.errors, WEIGHTS, context.entropy, GROUPS);
    this.sites = new HashKey(context.entropy);
  }

  /** The source address of errors from now on. */
  setSource(source: Ipv6): void {
    this.source = source;
  }

  packetTooBig(buffer: Uint8Array, start: number, now: number): void {
    const basis = this.basis(buffer, start, now);
    if (basis !== undefined) this.send(buildPacketTooBig({ ...basis, mtu: TUNNEL_MTU }));
  }

  /** Sends: the destination of the packet at `start` cannot be reached. */
  unreachable(buffer: Uint8Array, start: number, now: number): void {
    const basis = this.basis(buffer, start, now);
    if (basis !== undefined) this.send(buildUnreachable({ ...basis, code: ADDRESS_UNREACHABLE }));
  }

  /** Sends: the destination of the packet at `start` is not served. */
  prohibited(buffer: Uint8Array, start: number, now: number): void {
    const basis = this.basis(buffer, start, now);
    if (basis !== undefined) this.send(buildUnreachable({ ...basis, code: ADMINISTRATIVELY_PROHIBITED }));
  }

  /** Builds the error for a client's packet at `start` whose hop limit ends here; the caller sends it. Undefined: no error is allowed. R-29 */
  timeExceeded(buffer: Uint8Array, start: number, now: number): Uint8Array | undefined {
    const basis = this.basis(buffer, start, now);
    if (basis === undefined) return undefined;
    this.context.counters.errorsSent++;
    return buildTimeExceeded({ ...basis, code: IN_TRANSIT });
  }

  private basis(
    buffer: Uint8Array,
    start: number,
    now: number,
  ): { source: Ipv6; offending: Uint8Array } | undefined {
    const { source } = this;
    const end = start + IPV6_HEADER + payloadLength(buffer, start);
    if (source === undefined || !mayCauseIcmpError(buffer, start, end)) return undefined;
    const [a, b, c, d] = [0, 4, 8, 12].map((at) => readUint32(buffer, start + SOURCE + at));
    if (!this.budget.take(this.sites.of2(a!, b!), [c! ^ d!], now)) {
      this.context.counters.suppressedErrors++;
      this.context.hits.ipv6('errors', buffer, start + SOURCE);
      return undefined;
    }
    return { source, offending: buffer.subarray(start, end) };
  }

  private send(packet: Uint8Array): void {
    this.context.counters.errorsSent++;
    this.context.commands.deliver(packet, 0, packet.length);
  }
}
