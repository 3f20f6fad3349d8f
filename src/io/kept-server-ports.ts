import { LinkStore } from '../linux/bpf/link-store.ts';
import { UdpSocket } from '../linux/udp.ts';
import type { Endpoint } from '../wire/index.ts';
import type { DescriptorStore, RolePlaces, SharedPort } from './descriptor-store.ts';
import { kept, openKept } from './kept-ports.ts';
import type { KeptPorts } from './kept-ports.ts';
import { serverPathOf } from './kernel-ports.ts';
import type { PortFactory, UdpOptions } from './port-factory.ts';
import type { WorkerPorts } from './workers/worker-ports.ts';

/** The ports of a server: its sockets and the links of its kernel path are kept. */
export function keptServerPorts(places: RolePlaces & { readonly primary: Endpoint }): KeptPorts {
  return kept(places, keepServer);
}

function keepServer(kernel: PortFactory, store: DescriptorStore, places: RolePlaces): PortFactory {
  const links = new LinkStore(store, store.links);
  if (!places.keepsLinks) links.discardLeft();
  const isAt = (kind: SharedPort, { address, port }: UdpOptions): boolean =>
    places[kind]?.address === address && places[kind].port === port;
  return {
    ...kernel,
    openUdp: (options) => {
      const kind = (['primary', 'secondary'] as const).find((one) => isAt(one, options));
      return kind === undefined ? kernel.openUdp(options) : openKept(kernel, store, kind, options);
    },
    ...(kernel.workers === undefined ? {} : { workers: keepShared(kernel.workers, store, isAt) }),
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

/** The sockets that workers share are taken over all together. */
function keepShared(
  workers: WorkerPorts,
  store: DescriptorStore,
  isAt: (kind: SharedPort, options: UdpOptions) => boolean,
): WorkerPorts {
  return {
    ...workers,
    openSharedUdp: (options, count, key) => {
      const port = (['primary', 'secondary'] as const).find((one) => isAt(one, options));
      if (port === undefined) return workers.openSharedUdp(options, count, key);
      const left = store.takeShared(port, count);
      if (left !== undefined) return workers.takeOver(left, options, key);
      const opened = workers.openSharedUdp(options, count, key);
      if (opened.own instanceof UdpSocket) store.keepShared(port, [opened.own.fd, ...opened.others]);
      return opened;
    },
  };
}
