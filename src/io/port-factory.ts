import type { Entropy } from '../core/entropy.ts';
import type { Ipv4 } from '../wire/index.ts';
import type {
  Clock,
  KernelPath,
  KernelPathOptions,
  Handover,
  HostNetwork,
  NetworkMonitor,
  PortMapper,
  PortMapperOptions,
  RawIpv6,
  ServerPath,
  ServerPathOptions,
  Tun,
  TunnelHost,
  TunnelRules,
  Udp,
  UdpReceiver,
} from './ports.ts';
import type { WorkerPorts } from './workers/worker-ports.ts';

export interface UdpOptions {
  /** 0: any. */
  readonly address: Ipv4;
  /** 0: the kernel chooses one. */
  readonly port: number;
  /** Receives runs of datagrams at once, without head-room between them. For machines that prepend no header. */
  readonly runs?: boolean;
  /** Few datagrams are expected: the socket takes little memory. */
  readonly few?: boolean;
}

/**
 * Opens the ports of a runtime: those of the kernel, or those of a test. The methods that open something throw an EnvironmentError that
 * says how to solve the problem.
 */
export interface PortFactory {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: HostNetwork;
  readonly tunnelHost: TunnelHost;
  /** Absent: no service manager would keep a state for a successor. */
  readonly handover?: Handover;
  /** Absent: all work is done in one thread. */
  readonly workers?: WorkerPorts;
  /** How long a role may rehearse before it serves (runtime/warming). Absent: it does not rehearse. */
  readonly rehearsalMs?: number | undefined;
  openUdp(options: UdpOptions): Udp;
  /**
   * Receives datagrams to the local discovery group on the subnet of `address`. RFC 4380 section 5.2.8
   * `service`: a socket from {@link openUdp} that may have the same port, on all addresses.
   */
  openDiscovery(address: Ipv4, service?: Udp): UdpReceiver;
  /** Resolves when an interface can be opened; undefined: at once. Rejects with an EnvironmentError when none ever can. */
  readonly tunnelReady?: Promise<unknown>;
  openTun(name: string): Tun;
  /** For the interface of an open tunnel. */
  openTunnelRules(tunnel: string): TunnelRules;
  openRawIpv6(): RawIpv6;
  openNetworkMonitor(): NetworkMonitor;
  /** Begins the search for a gateway at once; undefined if no gateway is on the way. */
  openPortMapper(options: PortMapperOptions): PortMapper | undefined;
  /** Throws with the code `no-kernel-path` if the kernel cannot carry packets; the message says why. */
  openKernelPath(options: KernelPathOptions): KernelPath;
  /** Removes interfaces that a killed process with this tunnel has left, where there is no kernel path now. Throws never. Absent: there are none. */
  readonly removeLeftInterfaces?: (tunnel: string) => void;
  /** The same for the work of a server. */
  openServerPath(options: ServerPathOptions): ServerPath;
}
