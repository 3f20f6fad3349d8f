import { DISCOVERY_GROUP } from '../core/constants.ts';
import { HEADROOM } from '../core/machine.ts';
import type { LinkStore } from '../linux/bpf/link-store.ts';
import type { SystemCallError } from '../linux/errors.ts';
import { NetlinkMonitor } from '../linux/netlink-monitor.ts';
import { holderOfUdpPort } from '../linux/proc.ts';
import { RawIpv6Socket } from '../linux/raw-ipv6.ts';
import { UdpSocket } from '../linux/udp.ts';
import { TEREDO_PORT } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import { explainBind } from './explain-bind.ts';
import { explainTun } from './explain-tun.ts';
import { EbpfKernelPath } from './kernel-path/ebpf-kernel-path.ts';
import type { KernelPathHandover } from './kernel-path/handover.ts';
import { removePairsLeftTo } from './kernel-path/merging.ts';
import { KernelServerPath } from './kernel-path/kernel-server-path.ts';
import { explainNoKernelPath } from './kernel-path/no-kernel-path.ts';
import { KernelNetwork } from './kernel-network.ts';
import { KernelTun } from './kernel-tun.ts';
import { KernelTunnelHost } from './kernel-tunnel-host.ts';
import { KernelTunnelRules, explainRules } from './kernel-tunnel-rules.ts';
import type { PortFactory } from './port-factory.ts';
import { notPermitted } from './not-permitted.ts';
import { KernelPortMapper } from './port-mapping/kernel-port-mapper.ts';
import type { KernelPath, KernelPathOptions, ServerPath, ServerPathOptions, UdpReceiver } from './ports.ts';
import { refusable } from './refusable.ts';
import { pooledEntropy } from './pooled-entropy.ts';
import { systemClock } from './system-clock.ts';
import { kernelWorkers } from './workers/kernel-workers.ts';

/** The ports of this machine's kernel. */
export function kernelPorts(): PortFactory {
  return KERNEL_PORTS;
}

const KERNEL_PORTS: PortFactory = {
  clock: systemClock,
  entropy: pooledEntropy(),
  network: new KernelNetwork(),
  tunnelHost: new KernelTunnelHost(),
  workers: kernelWorkers,
  rehearsalMs: 25,
  openUdp: (options) =>
    refusable(
      () => new UdpSocket({ ...options, headroom: HEADROOM }),
      (error) => explainBind(error, options),
    ),
  openDiscovery: (local, service): UdpReceiver =>
    refusable(
      () =>
        service instanceof UdpSocket
          ? service.shareWhile((reuseport) => openGroup(local, reuseport))
          : openGroup(local),
      explainDiscovery,
    ),
  openTun: (name) => openTun(name, () => new KernelTun(name)),
  openTunnelRules: (tunnel) => refusable(() => new KernelTunnelRules(tunnel), explainRules),
  openRawIpv6: () =>
    refusable(
      () => new RawIpv6Socket(),
      (error) =>
        error.code === 'EPERM' || error.code === 'EACCES'
          ? notPermitted(
              'forwarding pings to native hosts',
              'CAP_NET_RAW',
              '; or switch it off with --no-native',
            )
          : undefined,
    ),
  openNetworkMonitor: () => refusable(() => new NetlinkMonitor()),
  openPortMapper: (options) =>
    refusable(() => KernelPortMapper.open(options, KERNEL_PORTS.network.ipv4Subnets())),
  openKernelPath: (options) => kernelPathOf(options),
  removeLeftInterfaces: removePairsLeftTo,
  openServerPath: (options) => serverPathOf(options),
};

/** `links`: from a predecessor, and for a successor. */
export function serverPathOf(options: ServerPathOptions, links?: LinkStore): ServerPath {
  const { network, entropy } = KERNEL_PORTS;
  return inKernel(() => new KernelServerPath(options, systemClock, network, entropy, links));
}

export function kernelPathOf(options: KernelPathOptions, handover?: KernelPathHandover): KernelPath {
  const { network, entropy } = KERNEL_PORTS;
  return inKernel(() => new EbpfKernelPath(options, systemClock, network, entropy, handover));
}

/** Opens a tunnel's interface with this name. */
export function openTun<T>(name: string, open: () => T): T {
  return refusable(open, (error) => explainTun(error, name));
}

function inKernel<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw new EnvironmentError('no-kernel-path', explainNoKernelPath(error as Error), error);
  }
}

function openGroup(local: Ipv4, reuseport = false): UdpSocket {
  const group = { address: DISCOVERY_GROUP, local, reuseport };
  return new UdpSocket({ address: DISCOVERY_GROUP, port: TEREDO_PORT, headroom: HEADROOM, group });
}

function explainDiscovery(error: SystemCallError): EnvironmentError | undefined {
  if (error.code !== 'EADDRINUSE') return undefined;
  const holder = holderOfUdpPort(TEREDO_PORT);
  const by = holder === undefined ? '' : ` (by ${holder})`;
  return new EnvironmentError(
    'port-taken',
    `clients on the same link will not be found: UDP port ${TEREDO_PORT} is taken on all addresses${by}; ` +
      'bind that program to one address, or use --no-local-discovery',
    error,
  );
}
