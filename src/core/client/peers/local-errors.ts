import { TUNNEL_MTU } from '../../constants.ts';
import { FairShares } from '../../fair-shares.ts';
import {
  CONE_FLAG,
  DESTINATION,
  TEREDO_PORT,
  buildPacketTooBig,
  buildUnreachable,
  makeLinkLocal,
  mayCauseIcmpError,
  readUint32,
} from '../../../wire/index.ts';
import type { IcmpErrorBasis } from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';

/** RFC 4443 section 3.1: address unreachable. */
const ADDRESS_UNREACHABLE = 3;

/** Of contacts that this host has begun, and of answers to strangers; of destinations' /32s (all Teredo clients are one), /64s and addresses. */
const WEIGHTS = [8, 8, 8, 8];

/** ICMPv6 errors to the host's own stack, so that applications need not wait for a timeout. They come from the server's
 * link-local address, which is the router here (RFC 4380 section 5.3.2). */
export class LocalErrors {
  private readonly context: ClientContext;
  private readonly budget: FairShares;

  constructor(context: ClientContext) {
    this.context = context;
    this.budget = new FairShares(context.limits.icmpErrors, WEIGHTS, context.entropy);
  }

  /** CL-71 */
  packetTooBig(buffer: Uint8Array, start: number, end: number, now: number): void {
    const basis = this.basis(buffer, start, end, true, now);
    if (basis !== undefined) this.deliver(buildPacketTooBig({ ...basis, mtu: TUNNEL_MTU }));
  }

  /** The destination of this packet does not answer. `isOwn`: this host has begun the contact; otherwise strangers have caused it. */
  unreachable(packet: Uint8Array, isOwn: boolean, now: number): void {
    const basis = this.basis(packet, 0, packet.length, isOwn, now);
    if (basis !== undefined) this.deliver(buildUnreachable({ ...basis, code: ADDRESS_UNREACHABLE }));
  }

  private basis(
    buffer: Uint8Array,
    start: number,
    end: number,
    isOwn: boolean,
    now: number,
  ): IcmpErrorBasis | undefined {
    const { server } = this.context;
    if (server === undefined || !mayCauseIcmpError(buffer, start, end)) return undefined;
    const words = [0, 4, 12].map((at) => readUint32(buffer, start + DESTINATION + at));
    if (!this.budget.take(0, [isOwn ? 1 : 0, ...words], now)) {
      this.context.counters.suppressedErrors++;
      this.context.hits.ipv6('icmp-errors', buffer, start + DESTINATION);
      return undefined;
    }
    const source = makeLinkLocal({
      flags: CONE_FLAG,
      mappedPort: TEREDO_PORT,
      mappedAddress: server.primary,
    });
    return { source, offending: buffer.subarray(start, end) };
  }

  private deliver(packet: Uint8Array): void {
    this.context.counters.sentIcmpErrors++;
    this.context.commands.deliver(packet, 0, packet.length);
  }
}
