import { RouteQuery } from '../../linux/route-query.ts';
import { isShortage, noteSystemFailure } from '../../linux/system-failures.ts';
import { fromHex, readUint32 } from '../../wire/index.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import type { WayToGateway } from './gateway-socket.ts';

/**
 * Undefined if the destination is on the link, if there is no route, or if the kernel may not be asked. Throws a SystemCallError if the
 * kernel cannot be asked at this moment.
 */
export function wayToGateway(local: Endpoint, destination: Ipv4): WayToGateway | undefined {
  const routes = new RouteQuery(local.address, local.port);
  try {
    const way = routes.wayTo(destination);
    const gateway = way?.gateway.length === 8 ? fromHex(way.gateway) : undefined;
    return way === undefined || gateway === undefined
      ? undefined
      : { gateway: readUint32(gateway, 0), source: way.source };
  } catch (error) {
    if (isShortage(error)) throw error;
    noteSystemFailure(error);
    return undefined;
  } finally {
    routes.close();
  }
}
