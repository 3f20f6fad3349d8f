import { TUNNEL_MTU } from '../constants.ts';
import { TokenBuckets } from '../token-buckets.ts';
import {
  CONE_FLAG,
  DESTINATION,
  TEREDO_PORT,
  buildPacketTooBig,
  buildUnreachable,
  makeLinkLocal,
  mayCauseIcmpError,
} from '../../wire/index.ts';
import type { IcmpErrorBasis } from '../../wire/index.ts';
import type { ClientContext } from './context.ts';

/** RFC 4443 section 3.1: address unreachable. */
const ADDRESS_UNREACHABLE = 3;

/** ICMPv6 errors to the host's own stack, so that applications need not wait in vain. They come from the server's
 * link-local address, which is the router here (RFC 4380 section 5.3.2). */
export class LocalErrors {
  private readonly context: ClientContext;
  private readonly budget: TokenBuckets;

  constructor(context: ClientContext) {
    this.context = context;
    this.budget = new TokenBuckets(context.limits.icmpErrors, context.entropy, 1);
  }

  /** CL-71 */
  packetTooBig(buffer: Uint8Array, start: number, end: number, now: number): void {
    const basis = this.basis(buffer, start, end, now);
    if (basis !== undefined) this.deliver(buildPacketTooBig({ ...basis, mtu: TUNNEL_MTU }));
  }

  /** Nobody answers for the destination of this packet. */
  unreachable(packet: Uint8Array, now: number): void {
    const basis = this.basis(packet, 0, packet.length, now);
    if (basis !== undefined) this.deliver(buildUnreachable({ ...basis, code: ADDRESS_UNREACHABLE }));
  }

  private basis(buffer: Uint8Array, start: number, end: number, now: number): IcmpErrorBasis | undefined {
    const { server } = this.context;
    if (server === undefined || !mayCauseIcmpError(buffer, start, end)) return undefined;
    if (!this.budget.take(0, 0, now)) {
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
