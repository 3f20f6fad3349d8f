import { HEADROOM } from '../core/machine.ts';
import { takePassedDescriptors } from '../linux/passed-descriptors.ts';
import { UdpSocket } from '../linux/udp.ts';
import { DescriptorStore } from './descriptor-store.ts';
import type { RolePlaces, SocketKind } from './descriptor-store.ts';
import { kernelPorts } from './kernel-ports.ts';
import type { PortFactory, UdpOptions } from './port-factory.ts';
import type { Udp } from './ports.ts';
import { refusable } from './refusable.ts';

export interface KeptPorts {
  readonly ports: PortFactory;
  readonly removed: Removed;
}

/** Descriptors of a predecessor that do not fit, and were removed. */
export interface Removed {
  readonly names: readonly string[];
  /** Nothing of the predecessor is taken over. */
  readonly isAll: boolean;
}

/** The ports of a role whose descriptors stay open in a store. */
type Keep = (kernel: PortFactory, store: DescriptorStore, places: RolePlaces) => PortFactory;

/**
 * The ports of the kernel for a role that a service manager may restart: `keep` leaves its descriptors in the manager's store, and the next
 * process of the role takes them over. Packets that arrive meanwhile wait there. Without a service manager, the usual ports.
 */
export function kept(places: RolePlaces, keep: Keep): KeptPorts {
  const kernel = kernelPorts();
  const passed = takePassedDescriptors();
  if (!process.env['NOTIFY_SOCKET']) return { ports: kernel, removed: { names: [], isAll: true } };
  const store = new DescriptorStore(passed, places);
  const removed = { names: store.removed, isAll: store.isEmpty };
  return { ports: keep(kernel, store, places), removed };
}

/** Opens a socket that is kept under this name: the predecessor's, or else a new one. */
export function openKept(
  kernel: PortFactory,
  store: DescriptorStore,
  kind: SocketKind,
  options: UdpOptions,
): Udp {
  const left = store.take(kind);
  if (left !== undefined)
    return refusable(() => new UdpSocket({ ...options, headroom: HEADROOM, kept: left }));
  const udp = kernel.openUdp(options);
  if (udp instanceof UdpSocket) store.keep(kind, udp.fd);
  return udp;
}
