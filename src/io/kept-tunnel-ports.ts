import { LinkStore } from '../linux/bpf/link-store.ts';
import { UdpSocket } from '../linux/udp.ts';
import type { Endpoint } from '../wire/index.ts';
import type { DescriptorStore, RolePlaces } from './descriptor-store.ts';
import { kept, openKept } from './kept-ports.ts';
import type { KeptPorts } from './kept-ports.ts';
import { kernelPathOf, openTun } from './kernel-ports.ts';
import { KernelPathHandover } from './kernel-path/handover.ts';
import { KernelTun } from './kernel-tun.ts';
import { KEPT_QUEUE_LENGTH, KernelTunnelHost } from './kernel-tunnel-host.ts';
import { KernelTunnelRules, explainRules } from './kernel-tunnel-rules.ts';
import { KeptState } from './kept-state.ts';
import type { PortFactory } from './port-factory.ts';
import { refusable } from './refusable.ts';
import type { WorkerPorts } from './workers/worker-ports.ts';

/** The ports of a client or a relay: its socket, its interface, its state and the links of its kernel path are kept. */
export function keptTunnelPorts(
  places: RolePlaces & { readonly udp: Endpoint; readonly tun: string },
): KeptPorts {
  return kept(places, keepTunnel);
}

function keepTunnel(kernel: PortFactory, store: DescriptorStore, places: RolePlaces): PortFactory {
  const { workers = 1 } = places;
  if (workers > 1) return kernel; // a successor begins anew
  const handover = stateIn(store, 'state');
  const kernelPath = new KernelPathHandover(new LinkStore(store, store.links), stateIn(store, 'ways'));
  if (!places.keepsLinks) kernelPath.links.discardLeft();
  let hasRules = false;
  return {
    ...kernel,
    ...(kernel.workers === undefined ? {} : { workers: keptWorkers(kernel.workers, store) }),
    handover,
    tunnelHost: new KernelTunnelHost(undefined, KEPT_QUEUE_LENGTH),
    openUdp: (options) => {
      if (options.few === true) return kernel.openUdp(options); // for one peer, or a test
      return openKept(kernel, store, 'udp', options);
    },
    openTun: (name) => {
      const left = store.take('tun');
      const tun = openTun(name, () => new KernelTun(name, left));
      if (left === undefined) store.keep('tun', tun.fd);
      return tun;
    },
    openTunnelRules: (tunnel) => {
      const left = store.take('rules');
      const rules = refusable(() => new KernelTunnelRules(tunnel, left), explainRules);
      if (left === undefined) {
        if (hasRules) store.remove('rules'); // of a first attempt
        store.keep('rules', rules.fd);
      }
      hasRules = true;
      return rules;
    },
    openKernelPath: (options) => {
      if (!places.keepsLinks) return kernel.openKernelPath(options);
      try {
        return kernelPathOf(options, kernelPath);
      } catch (error) {
        kernelPath.links.discardLeft();
        throw error;
      }
    },
  };
}

/** Of a client with several workers the first one's queue and socket are kept: while there is no process all packets wait there. */
function keptWorkers(kernel: WorkerPorts, store: DescriptorStore): WorkerPorts {
  return {
    ...kernel,
    openPeerTunnel: (name, options, workers, most) => {
      const [tun, udp] = [store.take('tun'), store.take('udp')];
      const left = tun === undefined || udp === undefined ? undefined : { tun, udp };
      const opened = kernel.openPeerTunnel(name, options, workers, most, left);
      if (left === undefined && opened.tun instanceof KernelTun && opened.udp instanceof UdpSocket) {
        store.keep('tun', opened.tun.fd);
        store.keep('udp', opened.udp.fd);
      }
      return opened;
    },
  };
}

function stateIn(store: DescriptorStore, name: 'state' | 'ways'): KeptState {
  const left = store.take(name);
  const state = refusable(() => new KeptState(left));
  if (left === undefined) store.keep(name, state.fd);
  return state;
}
