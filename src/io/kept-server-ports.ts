import { LinkStore } from '../linux/bpf/link-store.ts';
import type { DescriptorStore, RolePlaces } from './descriptor-store.ts';
import { kept, openKept } from './kept-ports.ts';
import type { KeptPorts } from './kept-ports.ts';
import { serverPathOf } from './kernel-ports.ts';
import type { PortFactory, UdpOptions } from './port-factory.ts';

/** The ports of a server: the sockets that `places` names and the links of its kernel path are kept. */
export function keptServerPorts(places: RolePlaces): KeptPorts {
  return kept(places, keepServer);
}

function keepServer(kernel: PortFactory, store: DescriptorStore, places: RolePlaces): PortFactory {
  const links = new LinkStore(store, store.links);
  if (!places.keepsLinks) links.discardLeft();
  const isAt = (kind: 'primary' | 'secondary', { address, port }: UdpOptions): boolean =>
    places[kind]?.address === address && places[kind].port === port;
  return {
    ...kernel,
    openUdp: (options) => {
      const kind = (['primary', 'secondary'] as const).find((one) => isAt(one, options));
      return kind === undefined ? kernel.openUdp(options) : openKept(kernel, store, kind, options);
    },
    openServerPath: (options) => {
      if (!places.keepsLinks) return kernel.openServerPath(options);
      try {
        return serverPathOf(options, links);
      } catch (error) {
        links.discardLeft();
        throw error;
      }
    },
  };
}
