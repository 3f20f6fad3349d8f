import { inSubnets } from '../../core/address-policy.ts';
import type { Subnet } from '../../core/address-policy.ts';
import type { Ipv4Route } from '../../linux/ipv4-routes.ts';
import { parseIpv4 } from '../../wire/index.ts';

/** Ranges to which AddressPolicy permits no datagrams; the second list applies unless private addresses count as global. */
const NEVER = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '192.88.99.0/24', '224.0.0.0/4'].map(subnet);
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(subnet);

/** Whether all permitted destinations leave by one interface, as far as the routes tell. */
export function isOnlyWayOut(
  ifindex: number,
  routes: readonly Ipv4Route[] | undefined,
  allowPrivate: boolean,
): boolean {
  if (routes === undefined) return false;
  return routes
    .filter((route) => mayBeSentTo(route, allowPrivate))
    .every(({ interfaces }) => interfaces.length > 0 && interfaces.every((index) => index === ifindex));
}

/** Whether datagrams to a part of a route's destinations are permitted. */
export function mayBeSentTo(route: Ipv4Route, allowPrivate: boolean): boolean {
  const unsent = allowPrivate ? NEVER : [...NEVER, ...PRIVATE];
  return !unsent.some((block) => isWithin(route, block));
}

function isWithin({ destination, prefixLength }: Ipv4Route, block: Subnet): boolean {
  return prefixLength >= block.prefixLength && inSubnets(destination, [block]);
}

function subnet(text: string): Subnet {
  const [address, length] = text.split('/');
  return { address: parseIpv4(address!)!, prefixLength: Number(length) };
}
