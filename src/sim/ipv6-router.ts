import {
  DESTINATION,
  SOURCE,
  buildPacketTooBig,
  buildTimeExceeded,
  buildUnreachable,
  checkIpv6,
  hopLimit,
  inPrefix,
  isLinkLocal,
  isMulticast,
  isUnspecified,
  mayCauseIcmpError,
  parsePrefix,
} from '../wire/index.ts';
import type { Ipv6, Ipv6Prefix } from '../wire/index.ts';
import type { PacketHandler } from './ipv6-link.ts';

interface Route {
  readonly prefix: Ipv6Prefix;
  readonly send: PacketHandler;
  readonly mtu: number;
}

/** Forwards IPv6 packets by the longest prefix, decrements hop limits and sends ICMPv6 errors (RFC 8200, RFC 4443). */
export class Ipv6Router {
  readonly address: Ipv6;
  readonly counters = { forwarded: 0, malformed: 0, noRoute: 0, expired: 0, tooBig: 0, unroutableSource: 0 };
  /** Called with the ICMPv6 errors that this router sends. */
  readonly errorTaps: PacketHandler[] = [];
  private readonly routes: Route[] = [];

  constructor(address: Ipv6) {
    this.address = address;
  }

  /** Routes `prefix` ("2001:db8::/32") to `send`. `mtu`: MTU of that link. */
  addRoute(prefix: string, send: PacketHandler, mtu = 1500): void {
    const parsed = parsePrefix(prefix);
    if (parsed === undefined) throw new RangeError(`not an IPv6 prefix: ${prefix}`);
    this.routes.push({ prefix: parsed, send, mtu });
    this.routes.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** Forwards a packet: its hop limit is decremented. */
  readonly forward: PacketHandler = (packet) => {
    if (checkIpv6(packet, 0, packet.length) !== undefined) {
      this.counters.malformed++;
      return;
    }
    if (isLinkLocal(packet, SOURCE) || isMulticast(packet, SOURCE) || isUnspecified(packet, SOURCE)) {
      this.counters.unroutableSource++;
      return;
    }
    if (hopLimit(packet, 0) <= 1) {
      this.counters.expired++;
      this.report(packet, (error) => buildTimeExceeded({ ...error, code: 0 }));
      return;
    }
    const route = this.find(packet);
    if (route === undefined) {
      this.counters.noRoute++;
      this.report(packet, (error) => buildUnreachable({ ...error, code: 0 }));
    } else if (packet.length > route.mtu) {
      this.counters.tooBig++;
      this.report(packet, (error) => buildPacketTooBig({ ...error, mtu: route.mtu }));
    } else {
      this.counters.forwarded++;
      const forwarded = packet.slice();
      forwarded[7]! -= 1;
      route.send(forwarded);
    }
  };

  /** Sends a packet of this router itself: its hop limit is not decremented. */
  readonly originate: PacketHandler = (packet) => {
    this.find(packet)?.send(packet);
  };

  private find(packet: Uint8Array): Route | undefined {
    if (isMulticast(packet, DESTINATION) || isLinkLocal(packet, DESTINATION)) return undefined;
    return this.routes.find((route) => inPrefix(packet, DESTINATION, route.prefix));
  }

  private report(
    packet: Uint8Array,
    build: (error: { source: Ipv6; offending: Uint8Array }) => Uint8Array,
  ): void {
    if (!mayCauseIcmpError(packet, 0, packet.length)) return;
    const error = build({ source: this.address, offending: packet });
    for (const tap of this.errorTaps) tap(error);
    this.originate(error);
  }
}
