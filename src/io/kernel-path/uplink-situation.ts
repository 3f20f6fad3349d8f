import { receivesPeers } from '../../linux/links.ts';
import type { Link } from '../../linux/links.ts';
import type { Way } from '../../linux/route-query.ts';
import { isStrict } from './host-links.ts';
import type { HostLinks } from './host-links.ts';
import type { HostNetwork, UplinkState } from '../ports.ts';

/** An interface at which datagrams arrive. */
export type Receiver = Pick<Link, 'ifindex' | 'isBare'>;

/** How the datagrams of peers leave by an interface, and where they arrive. */
export interface Situation {
  readonly egress: Link;
  /** Whether packets leave segmented and with their checksums. */
  readonly finishes: boolean;
  /**
   * An interface for which the kernel would segment super-packets of a tunnel, but not those of a socket; null if there is none.
   * Example: a bridge gets a tunnel's 64 KB in packets of 1280 octets, but a socket's 64 KB as one packet. So the socket is faster there.
   */
  readonly cutFor: Pick<Link, 'name' | 'kind'> | null;
  /** The interfaces at which datagrams to the source arrive, if the same route leads back. */
  readonly ingress: readonly Receiver[];
}

/** Describes how packets leave from a source by an interface; or, as text, why a program cannot work there. */
export function situationOf(
  { source, ifindex }: Pick<Way, 'source' | 'ifindex'>,
  links: HostLinks,
  network: HostNetwork,
): Situation | string {
  const egress = links.links.get(ifindex);
  if (egress === undefined) return 'the interface is gone';
  if (!egress.isEthernet && !egress.isBare) return 'neither an Ethernet header nor a single other end';
  const owners = network.ipv4Subnets().filter(({ address }) => address === source);
  if (owners.length === 0) return 'its address is not on an interface that is up';
  const { finishes, cutFor } = links.offloadsOf(egress);
  const receivers = [egress, ...owners.map((owner) => links.named(owner.interface))]
    .flatMap((link) => (link === undefined ? [] : [links.receiverFor(link)]))
    .filter(receivesPeers);
  return {
    egress,
    finishes,
    cutFor: cutFor === undefined ? null : { name: cutFor.name, kind: cutFor.kind },
    ingress: each(receivers),
  };
}

/**
 * The other interfaces at which datagrams may arrive, for example if there are several uplinks: those with an IPv4 address of their own. An
 * interface is left out if the host accepts from each source only packets that arrive where it would send to that source.
 */
export function otherArrivals(links: HostLinks, network: HostNetwork): Receiver[] {
  const receivers = network
    .ipv4Subnets()
    .flatMap((subnet) => links.named(subnet.interface) ?? [])
    .map((link) => links.receiverFor(link))
    .filter((link) => receivesPeers(link) && !isStrict(link));
  return each(receivers);
}

/** Each interface once. */
function each(links: readonly Link[]): Receiver[] {
  return [...new Map(links.map(({ ifindex, isBare }) => [ifindex, { ifindex, isBare }])).values()];
}

/** Text for `teredo status`. */
export function stateOf({ egress, cutFor }: Situation): UplinkState {
  const { name, kind } = egress;
  const device = cutFor?.kind === 'bridge' ? `the bridge ${cutFor.name}` : cutFor?.name;
  if (cutFor === null) return { interface: name, kind, carried: 'all' };
  return {
    interface: name,
    kind,
    carried: 'all-but-bulk',
    reason: `bulk data on the user path: for ${device} the kernel cuts super-packets of a tunnel, but not those of a socket`,
  };
}
