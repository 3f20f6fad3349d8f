import { DISCOVERY_GROUP } from '../core/constants.ts';
import type { AttachedNetwork } from '../core/client/index.ts';
import type { HostNetwork, Ipv4Subnet } from '../io/ports.ts';
import type { Ipv4 } from '../wire/index.ts';

/** An address of the Internet (of one.one.one.one): the route there tells by which address and way this host sends to most others. Nothing is sent to it. */
export const SOMEWHERE: Ipv4 = 0x0101_0101;

/** With the names of the interfaces. */
export interface LocalNetwork extends AttachedNetwork {
  readonly subnets: readonly Ipv4Subnet[];
}

/** The subnets of the host, and the local address that datagrams to a server leave from: the one that is bound, where one is. */
export function localNetwork(
  network: HostNetwork,
  bound: Ipv4 | undefined,
  server: Ipv4 = DISCOVERY_GROUP,
): LocalNetwork {
  const subnets = network.ipv4Subnets();
  const source = bound || network.sourceAddress(server);
  const localAddress = subnets.some(({ address }) => address === source) ? source : undefined;
  return { subnets, localAddress };
}

/** Whether the host sends from the same address as before; other links of the host do not move its mapping. */
export function sameNetwork(a: LocalNetwork, b: LocalNetwork): boolean {
  const [one, other] = [linkOf(a), linkOf(b)];
  return (
    a.localAddress === b.localAddress &&
    one?.prefixLength === other?.prefixLength &&
    one?.interface === other?.interface
  );
}

function linkOf({ subnets, localAddress }: LocalNetwork): Ipv4Subnet | undefined {
  return subnets.find(({ address }) => address === localAddress);
}
