import type { AddressPolicy } from '../core/address-policy.ts';
import type { AttachedNetwork, ClientLimits, ClientOptions, ServerCandidate } from '../core/client/index.ts';
import type { ClientState, QualificationReason } from '../core/events.ts';
import type { MergeWish, PortMapping, XdpWish } from '../io/ports.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../wire/index.ts';
import type { DefaultRoute } from './client-interface.ts';
import type { DataPath, DataPathWish } from './data-path-use.ts';
import type { Inbound } from './tunnel-guard.ts';

export interface ClientSettings {
  /**
   * At least one; all are asked at once, and the fastest that qualifies is used. A text is a name or an IPv4 address. {@link Client.start}
   * resolves names, and the client resolves them again every 30 s while it is not qualified.
   */
  readonly servers: readonly (ServerCandidate | string)[];
  /**
   * The second address of the one server that `servers` names by a text, or that none has one; a candidate has a `secondary` of its own. Default:
   * the first plus one.
   */
  readonly secondary?: Ipv4 | 'none' | undefined;
  /** Name of the tunnel interface; `undefined` makes a client without one, which only qualifies. */
  readonly interface?: string | undefined;
  /** Local IPv4 address and port; 0 (the default) leaves either to the system. */
  readonly bind?: Ipv4 | undefined;
  readonly port?: number | undefined;
  /** `auto`: unless the host has native IPv6. */
  readonly defaultRoute?: DefaultRoute | undefined;
  /** Whether hosts to which this one has sent nothing may begin to talk to it through the tunnel. Default `accept`. */
  readonly inbound?: Inbound | undefined;
  /**
   * Rest, and be no Teredo client, while the host has native IPv6. Default false: it then serves Teredo addresses only. RFC 4380 section
   * 5.5, CL-7
   */
  readonly onlyWithoutIpv6?: boolean | undefined;
  readonly secret?: { readonly clientId: Uint8Array; readonly secret: Uint8Array } | undefined;
  readonly requireSecondary?: boolean | undefined;
  /** Milliseconds between refreshes of the NAT mapping; `auto` finds it out (RFC 4380 section 5.2.7). Default 30,000. */
  readonly refresh?: number | 'auto' | undefined;
  readonly localDiscovery?: boolean | undefined;
  /** Take only neighbours behind the same NAT, as their address tells. CL-114 */
  readonly localSameNat?: boolean | undefined;
  /** Hold packets of native hosts back until a connectivity test has succeeded. A-25 */
  readonly strictUnverified?: boolean | undefined;
  /** Begin with the cone bit set and believe that of peers, as before RFC 5991. CL-11, CL-64 */
  readonly legacyCone?: boolean | undefined;
  /** RFC 1918 addresses count as global, for private clouds. */
  readonly allowPrivate?: boolean | undefined;
  /** Your own relay, via which peers with the same setting are reached when nothing else reaches them (docs/adr/0017). */
  readonly meet?: Endpoint | undefined;
  readonly limits?: Partial<ClientLimits> | undefined;
  /** Have a gateway that speaks PCP, NAT-PMP or UPnP open the port. Default `auto`. RFC 6081 section 5.3 */
  readonly portMapping?: 'auto' | 'off' | undefined;
  /** File that holds the mapping while there is one: after a sudden end the next client removes the mapping. E-53 */
  readonly portMappingFile?: string | undefined;
  /** The data path of the packets of verified peers. Default `auto`: the kernel where it can (adr/0014). */
  readonly dataPath?: DataPathWish | undefined;
  /** Whether the kernel path begins in the drivers of interfaces (XDP). Default `auto`: where the host's other traffic loses nothing by it. */
  readonly xdp?: XdpWish | undefined;
  /** Whether the kernel path merges TCP segments that come out of datagrams. Default `auto`: where the interface by which they come merges packets, too. */
  readonly merge?: MergeWish | undefined;
  /** Threads that share the peers (adr/0029). With several the user path carries all packets. Default 1. */
  readonly workers?: number | undefined;
}

export interface ClientEvents {
  state: [ClientState, QualificationReason | undefined];
  address: [Ipv6 | undefined];
  'default-route': [boolean];
  'data-path': [DataPath];
  /** The port that a gateway has opened; undefined once it is closed. */
  'port-mapping': [PortMapping | undefined];
  /** The host was suspended for so many milliseconds; mapping and gateway are asked at once. */
  resumed: [number];
  /** Something that a person should look at; `limit`: a limit is reached. */
  warning: [message: string, kind?: 'limit'];
  /** The client has ended by itself: its interface was taken away. */
  lost: [Error];
}

/** The options of a client's machine with these settings. */
export function machineOptions(
  settings: ClientSettings,
  servers: readonly ServerCandidate[],
  network: AttachedNetwork,
  policy: AddressPolicy,
): ClientOptions {
  const { port } = settings;
  return {
    servers,
    secret: settings.secret,
    requireSecondary: settings.requireSecondary,
    refresh: settings.refresh,
    localDiscovery: settings.localDiscovery,
    localSameNat: settings.localSameNat,
    strictUnverified: settings.strictUnverified,
    legacyCone: settings.legacyCone,
    network,
    chosenPort: port === 0 ? undefined : port,
    meet: settings.meet,
    policy,
    limits: settings.limits,
  };
}
