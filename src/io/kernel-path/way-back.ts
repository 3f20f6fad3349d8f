import type { TableRoute } from '../../linux/ipv4-routes.ts';
import { MAX_NEAR } from '../../linux/bpf/server-layout.ts';
import type { AddressRange } from '../../linux/bpf/server-program.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { mayBeSentTo } from './only-way-out.ts';

/** The only gateway of an interface, and the hosts that are reached without it. */
export interface WayBack {
  readonly gateway: Ipv4;
  readonly near: readonly AddressRange[];
}

/** The way to all hosts by the interface by which all datagrams leave; or why a driver cannot know it. */
export function wayBack(
  ifindex: number,
  routes: readonly TableRoute[],
  allowPrivate: boolean,
): WayBack | string {
  const used = routes.filter((route) => route.leads.includes(ifindex) && mayBeSentTo(route, allowPrivate));
  const gateways = new Set(used.flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway])));
  const [gateway, ...others] = gateways;
  if (gateway === undefined) return 'no route leads through a gateway';
  if (gateway === 0 || others.length > 0) return 'the routes lead through several gateways';
  const near = used
    .filter((route) => route.gateway === undefined)
    .map(({ destination, prefixLength }) => ({ address: destination, prefixLength }));
  if (near.length > MAX_NEAR) return `there are more than ${MAX_NEAR} networks without a gateway`;
  return { gateway, near };
}
