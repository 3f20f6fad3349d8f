import { receives } from '../../linux/links.ts';
import type { Link } from '../../linux/links.ts';
import type { Way } from '../../linux/route-query.ts';
import { isStrict } from './host-links.ts';
import type { HostLinks } from './host-links.ts';
import type { HostNetwork, UplinkState } from '../ports.ts';

/** Where peers' packets leave, how, and where they come in. */
export interface Situation {
  readonly egress: Link;
  /** What leaves is cut and has its checksums. */
  readonly finishes: boolean;
  /** The interface for which super-packets would be cut that a socket's are not; null: none. */
  readonly cutFor: Pick<Link, 'name' | 'kind'> | null;
  /** Indexes of the interfaces where what is sent to the source comes in, if it takes the same way back. */
  readonly ingress: readonly number[];
}

/** How packets can leave from a source by an interface; or, as text, why a program can do nothing there. */
export function situationOf(
  { source, ifindex }: Pick<Way, 'source' | 'ifindex'>,
  links: HostLinks,
  network: HostNetwork,
): Situation | string {
  const egress = links.links.get(ifindex);
  if (egress === undefined) return 'it is gone';
  if (!egress.isEthernet) return 'no Ethernet header';
  const owners = network.ipv4Subnets().filter(({ address }) => address === source);
  if (owners.length === 0) return 'its address is at no interface that is up';
  const { finishes, cutFor } = links.offloadsOf(egress);
  const receivers = [egress, ...owners.map((owner) => links.named(owner.interface))]
    .flatMap((link) => (link === undefined ? [] : [links.receiverFor(link)]))
    .filter(receives);
  return {
    egress,
    finishes,
    cutFor: cutFor === undefined ? null : { name: cutFor.name, kind: cutFor.kind },
    ingress: [...new Set(receivers.map((link) => link.ifindex))],
  };
}

/**
 * The other interfaces where datagrams may come in, as with several uplinks: those with an IPv4 address of their own. Left out are those where
 * the host takes from each source only what it would send there.
 */
export function otherArrivals(links: HostLinks, network: HostNetwork): number[] {
  const receivers = network
    .ipv4Subnets()
    .flatMap((subnet) => links.named(subnet.interface) ?? [])
    .map((link) => links.receiverFor(link))
    .filter((link) => receives(link) && !isStrict(link));
  return [...new Set(receivers.map((link) => link.ifindex))];
}

/** In words, for `teredo status`. */
export function stateOf({ egress, cutFor }: Situation): UplinkState {
  const { name, kind } = egress;
  const what = cutFor?.kind === 'bridge' ? `the bridge ${cutFor.name}` : cutFor?.name;
  if (cutFor === null) return { interface: name, kind, carried: 'all' };
  return {
    interface: name,
    kind,
    carried: 'all-but-bulk',
    reason: `bulk data by the process: for ${what} the kernel cuts super-packets of a tunnel, but not those of a socket`,
  };
}
