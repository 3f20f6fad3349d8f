import { Destinations } from '../../src/daemon/proxy/destinations.ts';

/** The destinations of a proxy in a closed network, on a host without addresses. */
export function anywhere(): Destinations {
  return new Destinations({
    allowPrivate: true,
    mapped: () => undefined,
    readOwn: () => ({ addresses: new Set(), subnets: [] }),
  });
}
