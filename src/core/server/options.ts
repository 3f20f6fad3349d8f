import type { Ipv4 } from '../../wire/index.ts';
import type { AccessList } from '../access-list.ts';
import type { AddressPolicy } from '../address-policy.ts';
import type { ServerLimits } from './limits.ts';

/** A server's sockets: one on each of its addresses, both on port 3544. S-1 */
export const SOCKET = { primary: 0, secondary: 1 } as const;

export interface ServerOptions {
  /** As clients know it: it is in their Teredo addresses. */
  readonly primary: Ipv4;
  /** Without it clients cannot tell a symmetric NAT, and the advertisements say so. */
  readonly secondary?: Ipv4;
  /** Addresses of this host that a NAT translates to those above: nothing comes from them, nothing is sent there. */
  readonly local?: readonly Ipv4[];
  /** Whether advertisements carry the MTU option; some checkers of Windows expect none. S-41 */
  readonly advertiseMtu?: boolean;
  /** Keys by client identifier: makes the server answer only clients that have one. S-14 */
  readonly keys?: (clientId: Uint8Array) => ClientKey | undefined;
  /** Whether connectivity tests are forwarded to native hosts. S-22 */
  readonly nativeForwarding?: boolean;
  readonly policy: AddressPolicy;
  /** Which IPv4 addresses are served and forwarded to; everybody's unless given. */
  readonly access?: AccessList;
  readonly limits?: ServerLimits;
}

/** A client's shared secret; when `expired`, answers are signed but tell the client to get a new one. A-24 */
export interface ClientKey {
  readonly secret: Uint8Array;
  readonly expired?: boolean;
}

/** S-29: what a server sends to itself would go round and round. */
export function isOwnAddress({ primary, secondary, local }: ServerOptions, address: Ipv4): boolean {
  return address === primary || address === secondary || (local?.includes(address) ?? false);
}
