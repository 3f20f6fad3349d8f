import { HEADROOM } from '../core/machine.ts';
import { LinkStore } from '../linux/bpf/link-store.ts';
import { takePassedDescriptors } from '../linux/passed-descriptors.ts';
import { UdpSocket } from '../linux/udp.ts';
import { DescriptorStore } from './descriptor-store.ts';
import type { RolePlaces } from './descriptor-store.ts';
import { kernelPathOf, kernelPorts, openTun } from './kernel-ports.ts';
import { KernelPathHandover } from './kernel-path/handover.ts';
import { KernelTun } from './kernel-tun.ts';
import { KEPT_QUEUE_LENGTH, KernelTunnelHost } from './kernel-tunnel-host.ts';
import { KernelTunnelRules, explainRules } from './kernel-tunnel-rules.ts';
import { KeptState } from './kept-state.ts';
import type { PortFactory } from './port-factory.ts';
import { refusable } from './refusable.ts';

export interface KeptPorts {
  readonly ports: PortFactory;
  /** Names of descriptors of a predecessor that do not fit, and were removed. */
  readonly removed: readonly string[];
}

/**
 * The ports of the kernel for a role that a service manager may restart: its socket, its interface and its state stay open in the manager's
 * store, and the next process of the role takes them over. Packets that arrive meanwhile wait there.
 */
export function keptPorts(places: RolePlaces): KeptPorts {
  const kernel = kernelPorts();
  const passed = takePassedDescriptors();
  if (!process.env['NOTIFY_SOCKET']) return { ports: kernel, removed: [] };
  const store = new DescriptorStore(passed, places);
  const handover = stateIn(store, 'state');
  const kernelPath = new KernelPathHandover(new LinkStore(store, store.links), stateIn(store, 'ways'));
  if (!places.keepsLinks) kernelPath.links.discardLeft();
  let hasRules = false;
  const ports: PortFactory = {
    ...kernel,
    handover,
    tunnelHost: new KernelTunnelHost(undefined, KEPT_QUEUE_LENGTH),
    openUdp: (options) => {
      if (options.few === true) return kernel.openUdp(options); // for one peer, or a test
      const kept = store.take('udp');
      if (kept !== undefined) return refusable(() => new UdpSocket({ ...options, headroom: HEADROOM, kept }));
      const udp = kernel.openUdp(options);
      if (udp instanceof UdpSocket) store.keep('udp', udp.fd);
      return udp;
    },
    openTun: (name) => {
      const kept = store.take('tun');
      const tun = openTun(name, () => new KernelTun(name, kept));
      if (kept === undefined) store.keep('tun', tun.fd);
      return tun;
    },
    openTunnelRules: (tunnel) => {
      const kept = store.take('rules');
      const rules = refusable(() => new KernelTunnelRules(tunnel, kept), explainRules);
      if (kept === undefined) {
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
  return { ports, removed: store.removed };
}

function stateIn(store: DescriptorStore, name: 'state' | 'ways'): KeptState {
  const kept = store.take(name);
  const state = refusable(() => new KeptState(kept));
  if (kept === undefined) store.keep(name, state.fd);
  return state;
}
