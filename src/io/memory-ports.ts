import { DISCOVERY_GROUP } from '../core/constants.ts';
import type { Entropy } from '../core/entropy.ts';
import { TEREDO_PORT, formatIpv4, formatIpv6 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import { MemoryClock } from './memory-clock.ts';
import { MemoryKernelPath } from './memory-kernel-path.ts';
import { MemoryNetwork } from './memory-network.ts';
import { MemoryTun } from './memory-tun.ts';
import type { MemoryIpv4Network, MemoryUdp } from './memory-udp.ts';
import type { PortFactory, UdpOptions } from './port-factory.ts';
import type {
  Clock,
  KernelPathOptions,
  NetworkMonitor,
  PortMapper,
  PortMapperOptions,
  RawIpv6,
  ServerPath,
  ServerPathOptions,
  TunnelRules,
} from './ports.ts';

/** One host in memory, for tests of code that runs on ports. Its datagrams arrive in a later turn of the event loop. */
export class MemoryPorts implements PortFactory {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: MemoryNetwork;
  /** The same object: the tunnel is in the host's own network namespace. */
  readonly tunnelHost: MemoryNetwork;
  /** All sockets that were ever opened, the oldest first. */
  readonly sockets = new Set<MemoryUdp>();
  /** The open tunnel interfaces. */
  readonly tuns = new Map<string, MemoryTun>();
  /** Packets sent through raw sockets, the oldest first. */
  readonly rawPackets: Uint8Array[] = [];

  /** The open kernel paths. */
  readonly kernelPaths = new Set<MemoryKernelPath>();
  /** Set by a test: why a kernel path cannot be opened. */
  noKernelPath: string | undefined;

  monitorsOpened = 0;

  /** Set by a test: the gateway on the way to a destination. */
  portMapper: (options: PortMapperOptions) => PortMapper | undefined = () => undefined;

  private readonly wire: MemoryIpv4Network;
  private readonly addresses: readonly [Ipv4, ...Ipv4[]];
  private readonly monitors = new Set<() => void>();

  /** Datagrams of unbound sockets have the first of `addresses` as source. */
  constructor(
    wire: MemoryIpv4Network,
    addresses: readonly [Ipv4, ...Ipv4[]],
    entropy: Entropy,
    clock: Clock = new MemoryClock(),
  ) {
    this.wire = wire;
    this.addresses = addresses;
    this.entropy = entropy;
    this.clock = clock;
    this.network = new MemoryNetwork(
      addresses.map((address) => ({ address, prefixLength: 24, interface: 'eth0' })),
    );
    this.tunnelHost = this.network;
  }

  /** For each tunnel with rules: whether it refuses inbound packets, and its addresses. */
  readonly tunnelRules = new Map<string, { own: string[]; refuseInbound: boolean }>();

  openTunnelRules(tunnel: string): TunnelRules {
    return {
      set: (own, refuseInbound) =>
        void this.tunnelRules.set(tunnel, { own: own.map((address) => formatIpv6(address)), refuseInbound }),
      close: () => void this.tunnelRules.delete(tunnel),
    };
  }

  openUdp({ address, port, runs }: UdpOptions): MemoryUdp {
    const socket = this.bind(address, port, runs);
    this.sockets.add(socket);
    return socket;
  }

  private bind(address: Ipv4, port: number, runs: boolean | undefined): MemoryUdp {
    if (address !== 0 && !this.addresses.includes(address)) {
      throw new EnvironmentError('not-local', `${formatIpv4(address)} is not an address of this host`);
    }
    return this.wire.bind(address, port, this.addresses[0], runs);
  }

  openDiscovery(address: Ipv4): MemoryUdp {
    return this.wire.bind(DISCOVERY_GROUP, TEREDO_PORT, address);
  }

  openTun(name: string): MemoryTun {
    if (this.tuns.has(name)) {
      throw new EnvironmentError('interface-taken', `there is an interface "${name}" already`);
    }
    const tun = new MemoryTun(name, () => {
      this.tuns.delete(name);
      this.network.interfaces.delete(name);
    });
    this.tuns.set(name, tun);
    this.network.addInterface(name);
    return tun;
  }

  openRawIpv6(): RawIpv6 {
    let open = true;
    return {
      failures: {},
      send: (buffer, offset, length) => {
        if (open) this.rawPackets.push(buffer.slice(offset, offset + length));
        return open;
      },
      close: () => (open = false),
    };
  }

  openNetworkMonitor(): NetworkMonitor {
    this.monitorsOpened++;
    let listener: (() => void) | undefined;
    return {
      start: (onChange) => {
        listener = onChange;
        this.monitors.add(onChange);
      },
      close: () => void (listener !== undefined && this.monitors.delete(listener)),
    };
  }

  openPortMapper(options: PortMapperOptions): PortMapper | undefined {
    return this.portMapper(options);
  }

  openKernelPath({ tunnel, local, role }: KernelPathOptions): MemoryKernelPath {
    const tun = this.tuns.get(tunnel);
    const udp = this.wire.find(local, this.addresses[0]);
    const reason =
      this.noKernelPath ?? (tun === undefined || udp === undefined ? 'no such tunnel or socket' : undefined);
    if (reason !== undefined) throw new EnvironmentError('no-kernel-path', reason);
    const socketAt = (port: number): MemoryUdp | undefined =>
      this.wire.find({ ...local, port }, this.addresses[0]);
    const kernelPath = new MemoryKernelPath(role, { tun: tun!, udp: udp!, socketAt }, this.clock, () =>
      this.kernelPaths.delete(kernelPath),
    );
    this.kernelPaths.add(kernelPath);
    return kernelPath;
  }

  openServerPath(_options: ServerPathOptions): ServerPath {
    throw new EnvironmentError('no-kernel-path', 'there is no kernel here');
  }

  /** The open network monitors that have begun. */
  get monitorCount(): number {
    return this.monitors.size;
  }

  /** Informs the monitors of a change of {@link network}. */
  networkChanged(): void {
    for (const onChange of this.monitors) onChange();
  }
}
