import type { Entropy } from '../core/entropy.ts';
import type { Ipv4 } from '../wire/index.ts';
import type {
  Clock,
  KernelPath,
  KernelPathOptions,
  HostNetwork,
  NetworkMonitor,
  PortMapper,
  PortMapperOptions,
  RawIpv6,
  ServerPath,
  ServerPathOptions,
  Tun,
  TunnelRules,
  Udp,
  UdpReceiver,
} from './ports.ts';

export interface UdpOptions {
  /** 0: any. */
  readonly address: Ipv4;
  /** 0: one the kernel chooses. */
  readonly port: number;
  /** Receives runs of datagrams at once, without head-room between them: for machines that put no header in front. */
  readonly runs?: boolean;
  /** Few datagrams are expected: takes little memory. */
  readonly few?: boolean;
}

/**
 * Where a runtime gets its ports from: the kernel's, or a test's. The methods that open something throw an
 * EnvironmentError that says what to do.
 */
export interface PortFactory {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: HostNetwork;
  openUdp(options: UdpOptions): Udp;
  /**
   * Receives what is sent to the local discovery group on the subnet of `address`. RFC 4380 section 5.2.8
   * `service`: a socket from {@link openUdp} that may have the same port, on all addresses.
   */
  openDiscovery(address: Ipv4, service?: Udp): UdpReceiver;
  openTun(name: string): Tun;
  /** For the interface of an open tunnel. */
  openTunnelRules(tunnel: string): TunnelRules;
  openRawIpv6(): RawIpv6;
  openNetworkMonitor(): NetworkMonitor;
  /** Begins to ask at once; undefined where no gateway is on the way. */
  openPortMapper(options: PortMapperOptions): PortMapper | undefined;
  /** Throws with the code `no-kernel-path` where packets cannot be carried in the kernel; the message says why. */
  openKernelPath(options: KernelPathOptions): KernelPath;
  /** The same for what a server does. */
  openServerPath(options: ServerPathOptions): ServerPath;
}
