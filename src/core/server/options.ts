import type { Ipv4 } from '../../wire/index.ts';
import type { AccessList } from '../access-list.ts';
import type { AddressPolicy } from '../address-policy.ts';
import type { ServerLimits } from './limits.ts';

/** A server's sockets: one for each of its addresses, both on port 3544. S-1 */
export const SOCKET = { primary: 0, secondary: 1 } as const;

export interface ServerOptions {
  /** The address by which clients know the server: it is in their Teredo addresses. */
  readonly primary: Ipv4;
  /** Without it clients cannot recognise a symmetric NAT, and the advertisements say so. */
  readonly secondary?: Ipv4;
  /** Addresses of this host that a 1:1 NAT translates to the two above: packets from them are dropped, and none are sent to them. */
  readonly local?: readonly Ipv4[];
  /** Whether advertisements have the MTU option; some checks of Windows expect none. S-41 */
  readonly mtu?: boolean;
  /** Keys by client identifier. If given, the server answers only clients that have one. S-14 */
  readonly keys?: (clientId: Uint8Array) => ClientKey | undefined;
  /** Whether connectivity tests are forwarded to native hosts. S-22 */
  readonly native?: boolean;
  readonly policy: AddressPolicy;
  /** The IPv4 addresses that are served, and to which packets are forwarded. Default: all. */
  readonly access?: AccessList;
  readonly limits?: ServerLimits;
}

/** A client's shared secret. `expired`: answers are signed, and say that the client needs a new one. A-24 */
export interface ClientKey {
  readonly secret: Uint8Array;
  readonly expired?: boolean;
}

/** S-29: a packet that a server sends to itself would loop. */
export function isOwnAddress({ primary, secondary, local }: ServerOptions, address: Ipv4): boolean {
  return address === primary || address === secondary || (local?.includes(address) ?? false);
}
