import type { AddressPolicy, Subnet } from '../address-policy.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import type { ClientLimits } from './limits.ts';

/** A server the client may use. RFC 4380 section 5.2. CL-1 */
export interface ServerCandidate {
  readonly primary: Ipv4;
  /** Undefined when the server is known to have one IPv4 address only: a symmetric NAT then goes unnoticed. */
  readonly secondary: Ipv4 | undefined;
  /** For status only. */
  readonly name?: string | undefined;
}

/** The network to which the host is attached. */
export interface AttachedNetwork {
  /** All of its subnets: their broadcast addresses are no destination (C-9), and the one of `localAddress` is the link. */
  readonly subnets: readonly Subnet[];
  /** The local IPv4 address that datagrams leave from; undefined when unknown. */
  readonly localAddress: Ipv4 | undefined;
}

export interface ClientOptions {
  /** In order of configuration; all are asked at once and the fastest that qualifies is used. */
  readonly servers: readonly ServerCandidate[];
  /** Secure qualification with a shared key. RFC 4380 section 5.2.2. CL-2 */
  readonly secret?: { readonly clientId: Uint8Array; readonly secret: Uint8Array } | undefined;
  /** Without a key: send an authentication header with a nonce nevertheless. Default true. CL-33 */
  readonly sendNonce?: boolean | undefined;
  /** Whether the silence of a secondary address means off-line (CL-22). Default true. */
  readonly requireSecondary?: boolean | undefined;
  /** Milliseconds, default 30,000 (CL-81). `auto`: a second port finds out how long the NAT keeps a mapping (RFC 4380 section 5.2.7). */
  readonly refresh?: number | 'auto' | undefined;
  /** Find clients on the same link (RFC 4380 section 5.2.8). Default true. CL-116 */
  readonly localDiscovery?: boolean | undefined;
  /** Take only neighbours behind the same NAT, as their address tells. Default false. CL-114 */
  readonly localSameNat?: boolean | undefined;
  /** Begin with the cone bit set and believe that of peers, as before RFC 5991. Default false. CL-11, CL-64 */
  readonly legacyCone?: boolean | undefined;
  /** Continue behind a symmetric NAT (RFC 6081). Default true; false is RFC 4380 alone. E-20, CL-23 */
  readonly symmetricNat?: boolean | undefined;
  /** The user's own relay, through which peers are reached that cannot be reached otherwise (docs/adr/0017). Default: none. */
  readonly meet?: Endpoint | undefined;
  /** Hold packets of native sources back until a connectivity test has succeeded. Default false. A-25 */
  readonly strictUnverified?: boolean | undefined;
  /** The local UDP port that the user has chosen, and may have forwarded on the NAT. Default: none. */
  readonly chosenPort?: number | undefined;
  /** The local UDP port, where it is known before its socket is open. CL-3 */
  readonly servicePort?: number | undefined;
  readonly network?: AttachedNetwork | undefined;
  /** Which IPv4 addresses may be sent to. The client sets its subnets. */
  readonly policy?: AddressPolicy | undefined;
  readonly limits?: Partial<ClientLimits> | undefined;
  /** A kernel path can carry packets of trusted peers past the machine. Default false. */
  readonly offload?: boolean | undefined;
}

/** The client's sockets. */
export const SOCKET = {
  /** All datagrams are sent from here, except probes of the refresh interval, and those to peers with a socket of their own. */
  service: 0,
  /** RFC 4380 section 5.2.7: the secondary port. */
  refreshProbe: 1,
  /** Receives only: group 224.0.0.253, port 3544. */
  discovery: 2,
  /** This and the numbers above it: for one peer each. RFC 6081 section 5.4 */
  firstOfPeers: 16,
} as const;
