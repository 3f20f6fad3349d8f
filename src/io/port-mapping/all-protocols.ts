import type { Subnet } from '../../core/address-policy.ts';
import type { WayToGateway } from './gateway-socket.ts';
import { NatPmp } from './nat-pmp.ts';
import { Pcp } from './pcp.ts';
import type { Protocol } from './protocol.ts';
import { Upnp } from './upnp.ts';

/** The protocols, the best first. All begin to search at once, until `signal` aborts. `subnets`: those of this host. */
export function allProtocols(
  way: WayToGateway,
  port: number,
  subnets: readonly Subnet[],
  signal: AbortSignal,
): Protocol[] {
  return [new Pcp(way, port, signal), new NatPmp(way, port, signal), new Upnp(way, port, subnets, signal)];
}
