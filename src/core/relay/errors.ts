import type { CommandRing } from '../commands.ts';
import { TUNNEL_MTU } from '../constants.ts';
import type { Entropy } from '../entropy.ts';
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
import type { RelayCounter } from './counters.ts';
import type { RelayLimits } from './limits.ts';

/** RFC 4443 section 3.1: address unreachable. */
const ADDRESS_UNREACHABLE = 3;

/** ICMPv6 errors to native hosts, within a limit. */
export class Errors {
  private readonly localAddress: Ipv6 | undefined;
  private readonly budget: TokenBuckets;
  private readonly counters: Record<RelayCounter, number>;
  private readonly commands: CommandRing;

  constructor(
    localAddress: Ipv6 | undefined,
    limits: RelayLimits,
    entropy: Entropy,
    counters: Record<RelayCounter, number>,
    commands: CommandRing,
  ) {
    this.localAddress = localAddress;
    this.budget = new TokenBuckets(limits.errors, entropy);
    this.counters = counters;
    this.commands = commands;
  }

  packetTooBig(buffer: Uint8Array, start: number, end: number, now: number): void {
    const basis = this.basis(buffer, start, end, now);
    if (basis !== undefined) this.send(buildPacketTooBig({ ...basis, mtu: TUNNEL_MTU }));
  }

  /** The client that the packet at `start` is for cannot be reached. */
  unreachable(buffer: Uint8Array, start: number, now: number): void {
    const end = start + IPV6_HEADER + payloadLength(buffer, start);
    const basis = this.basis(buffer, start, end, now);
    if (basis !== undefined) this.send(buildUnreachable({ ...basis, code: ADDRESS_UNREACHABLE }));
  }

  private basis(
    buffer: Uint8Array,
    start: number,
    end: number,
    now: number,
  ): { source: Ipv6; offending: Uint8Array } | undefined {
    if (this.localAddress === undefined || !mayCauseIcmpError(buffer, start, end)) return undefined;
    const high = readUint32(buffer, start + SOURCE);
    if (!this.budget.take(high, readUint32(buffer, start + SOURCE + 4), now)) return undefined;
    return { source: this.localAddress, offending: buffer.subarray(start, end) };
  }

  private send(packet: Uint8Array): void {
    this.counters.errorsSent++;
    this.commands.deliver(packet, 0, packet.length);
  }
}
