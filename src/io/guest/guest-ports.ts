import { NetlinkMonitor } from '../../linux/netlink-monitor.ts';
import { EnvironmentError } from '../errors.ts';
import { kernelPorts } from '../kernel-ports.ts';
import { KernelTun } from '../kernel-tun.ts';
import { KernelTunnelHost } from '../kernel-tunnel-host.ts';
import { KernelTunnelRules, explainRules } from '../kernel-tunnel-rules.ts';
import type { PortFactory } from '../port-factory.ts';
import type { NetworkMonitor } from '../ports.ts';
import { refusable } from '../refusable.ts';
import type { Guest } from './guest.ts';
import { GuestSockets } from './guest-sockets.ts';

/** The ports of a client whose interface is in a guest that is being made, and whose sockets are in the network of this process. */
export function guestPorts(making: Promise<Guest>): PortFactory {
  // The host's interfaces may be those of another client, whose tunnel has the same name there.
  const { workers: _none, removeLeftInterfaces: _ofHost, ...kernel } = kernelPorts();
  let guest: Guest | undefined;
  const known = (): Guest => {
    if (guest === undefined) throw new EnvironmentError('system', 'the private network is not ready');
    return guest;
  };
  const sockets = new GuestSockets(known);
  const tunnelReady = making.then((made) => (guest = made));
  tunnelReady.catch(() => {}); // it may fail before the client waits for it
  return {
    ...kernel,
    tunnelHost: new KernelTunnelHost({
      open: sockets.open,
      get tables() {
        return `/proc/${known().pid}/net`;
      },
      prepare: () => {}, // the agent has prepared all interfaces
    }),
    tunnelReady,
    openTun: (name) => refusable(() => openTun(name, known(), sockets)),
    openTunnelRules: (tunnel) =>
      refusable(() => new KernelTunnelRules(tunnel, undefined, sockets.open), explainRules),
    openNetworkMonitor: () => bothMonitors(kernel.openNetworkMonitor(), () => monitorOf(sockets)),
    openKernelPath: () => {
      throw new EnvironmentError('no-kernel-path', 'the interface is in another network namespace');
    },
  };
}

function openTun(name: string, { descriptors }: Guest, sockets: GuestSockets): KernelTun {
  const made = descriptors.interface;
  return made === undefined ? new KernelTun(name, undefined, sockets.take('tun')) : new KernelTun(name, made);
}

function monitorOf(sockets: GuestSockets): NetworkMonitor {
  return refusable(() => new NetlinkMonitor(() => sockets.take('changes')));
}

/** Changes of the host's network and of the guest's. */
function bothMonitors(host: NetworkMonitor, openGuest: () => NetworkMonitor): NetworkMonitor {
  let guest: NetworkMonitor;
  try {
    guest = openGuest();
  } catch (error) {
    host.close();
    throw error;
  }
  return {
    start: (onChange) => {
      host.start(onChange);
      guest.start(onChange);
    },
    close: () => {
      host.close();
      guest.close();
    },
  };
}
