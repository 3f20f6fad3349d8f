import type { Ipv4, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import type { AccessList } from '../access-list.ts';
import type { AddressPolicy } from '../address-policy.ts';
import type { RelayLimits } from './limits.ts';

/** A relay has one socket, the service port, for all peers. R-2 */
export const SOCKET = { service: 0 } as const;

export interface RelayOptions {
  /**
   * The native addresses served, never those in 2001::/32: for a relay 2000::/3 or a part of it, for a host-specific relay
   * the host's own addresses. R-23, H-5
   */
  readonly serve: readonly Ipv6Prefix[];
  /** Source of ICMPv6 errors; undefined: none are sent. */
  readonly localAddress?: Ipv6;
  /** The link-local address at which a routing daemon of this host may ask by BFD whether the process works; undefined: none. docs/adr/0027 */
  readonly bfdAddress?: Ipv6;
  /** Send bubbles directly to the client, too: for a relay behind a NAT that is not a cone. R-10, H-7 */
  readonly directBubbles?: boolean;
  /** As in RFC 4380 before RFC 5991: send at once to a client whose address has the cone flag. R-6 */
  readonly trustCone?: boolean;
  /** The relay's own outer addresses and port; no packet is sent to them. */
  readonly own?: { readonly addresses: readonly Ipv4[]; readonly port: number };
  /** Relay packets between clients that cannot reach each other. Default false. docs/adr/0017 */
  readonly meet?: boolean;
  readonly policy: AddressPolicy;
  /** A client is served if its IPv4 address and that of its server are both allowed. Default: all are. */
  readonly access?: AccessList;
  readonly limits?: RelayLimits;
  /** Whether a kernel path is available at the start. Default false. */
  readonly offload?: boolean;
}
