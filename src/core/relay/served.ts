import {
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  icmpv6Type,
  inPrefix,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isTeredo,
  isUnspecified,
  nextHeader,
  payloadLength,
} from '../../wire/index.ts';
import type { Ipv6Prefix } from '../../wire/index.ts';

/** The native addresses that a relay serves. Never Teredo's own, link-local, multicast, unspecified, loopback. */
export class ServedRange {
  private prefixes: readonly Ipv6Prefix[];

  constructor(prefixes: readonly Ipv6Prefix[]) {
    this.prefixes = prefixes;
  }

  set(prefixes: readonly Ipv6Prefix[]): void {
    this.prefixes = prefixes;
  }

  has(buffer: Uint8Array, offset: number): boolean {
    if (isTeredo(buffer, offset) || isMulticast(buffer, offset) || isLinkLocal(buffer, offset)) return false;
    if (isUnspecified(buffer, offset) || isLoopback(buffer, offset)) return false;
    for (const prefix of this.prefixes) if (inPrefix(buffer, offset, prefix)) return true;
    return false;
  }
}

/** Whether the IPv6 packet at `start` is a ping's answer. */
export function isEchoReply(buffer: Uint8Array, start: number): boolean {
  return (
    nextHeader(buffer, start) === NEXT_HEADER.ICMPV6 &&
    payloadLength(buffer, start) >= 8 &&
    icmpv6Type(buffer, start) === ICMPV6.ECHO_REPLY &&
    buffer.length >= start + IPV6_HEADER + 8
  );
}
