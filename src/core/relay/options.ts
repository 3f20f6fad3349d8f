import type { Ipv4, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import type { AccessList } from '../access-list.ts';
import type { AddressPolicy } from '../address-policy.ts';
import type { RelayLimits } from './limits.ts';

/** A relay has one service port for all its peers. R-2 */
export const SOCKET = { service: 0 } as const;

export interface RelayOptions {
  /**
   * The native addresses served, 2001::/32 always excepted: for a relay all of 2000::/3 or less, for a host-specific relay
   * just the host's own. R-23, H-5
   */
  readonly serve: readonly Ipv6Prefix[];
  /** Source of ICMPv6 errors; without it none are sent. */
  readonly localAddress?: Ipv6;
  /** Also send a bubble straight to the client: for a relay behind a NAT that is not a cone. R-10, H-7 */
  readonly directBubbles?: boolean;
  /** As RFC 4380 before RFC 5991: send at once to a peer whose address has the cone flag. R-6 */
  readonly trustCone?: boolean;
  /** The relay's own outer addresses and port, to which nothing is sent. */
  readonly own?: { readonly addresses: readonly Ipv4[]; readonly port: number };
  /** Pass packets on between clients that cannot reach each other. Default false. docs/adr/0017 */
  readonly meet?: boolean;
  readonly policy: AddressPolicy;
  /** Clients are served whose IPv4 address and whose server's are both allowed; everybody's are unless given. */
  readonly access?: AccessList;
  readonly limits?: RelayLimits;
  /** Somebody can carry packets of trusted peers past the machine. Default false. */
  readonly offload?: boolean;
}
