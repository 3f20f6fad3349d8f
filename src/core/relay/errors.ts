import { TUNNEL_MTU } from '../constants.ts';
import { TokenBuckets } from '../token-buckets.ts';
import {
  IPV6_HEADER,
  SOURCE,
  buildPacketTooBig,
  buildUnreachable,
  mayCauseIcmpError,
  payloadLength,
  readUint32,
} from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { RelayContext } from './context.ts';

/** RFC 4443 section 3.1: communication with destination administratively prohibited. */
const ADMINISTRATIVELY_PROHIBITED = 1;
/** RFC 4443 section 3.1: address unreachable. */
const ADDRESS_UNREACHABLE = 3;

/** ICMPv6 errors to native hosts, within a limit. */
export class Errors {
  private readonly context: RelayContext;
  private readonly budget: TokenBuckets;
  private source: Ipv6 | undefined;

  constructor(context: RelayContext) {
    this.context = context;
    this.source = context.options.localAddress;
    this.budget = new TokenBuckets(context.limits.errors, context.entropy);
  }

  /** Errors come from this address from now on. */
  setSource(source: Ipv6): void {
    this.source = source;
  }

  packetTooBig(buffer: Uint8Array, start: number, now: number): void {
    const basis = this.basis(buffer, start, now);
    if (basis !== undefined) this.send(buildPacketTooBig({ ...basis, mtu: TUNNEL_MTU }));
  }

  /** The client that the packet at `start` is for cannot be reached. */
  unreachable(buffer: Uint8Array, start: number, now: number): void {
    const basis = this.basis(buffer, start, now);
    if (basis !== undefined) this.send(buildUnreachable({ ...basis, code: ADDRESS_UNREACHABLE }));
  }

  /** The client that the packet at `start` is for is not served. */
  prohibited(buffer: Uint8Array, start: number, now: number): void {
    const basis = this.basis(buffer, start, now);
    if (basis !== undefined) this.send(buildUnreachable({ ...basis, code: ADMINISTRATIVELY_PROHIBITED }));
  }

  private basis(
    buffer: Uint8Array,
    start: number,
    now: number,
  ): { source: Ipv6; offending: Uint8Array } | undefined {
    const { source } = this;
    const end = start + IPV6_HEADER + payloadLength(buffer, start);
    if (source === undefined || !mayCauseIcmpError(buffer, start, end)) return undefined;
    const high = readUint32(buffer, start + SOURCE);
    if (!this.budget.take(high, readUint32(buffer, start + SOURCE + 4), now)) {
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
