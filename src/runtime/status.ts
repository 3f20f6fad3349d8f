/** Each role at one moment, for programs: frozen objects, their counters those of that moment. */
import type { ClientMachineStatus, ServerCandidate } from '../core/client/index.ts';
import type { PeerTraffic } from '../core/peer-traffic.ts';
import type { RelayMachineStatus } from '../core/relay/index.ts';
import type { ServerMachineStatus } from '../core/server/index.ts';
import type { PortMapping } from '../io/ports.ts';
import type { Ipv4 } from '../wire/index.ts';
import type { CarriedTotals, DataPath } from './data-path-use.ts';

/** Every role's addition to its machine's status. */
interface RoleSnapshot {
  /** The data path that carries packets, or serves. */
  readonly dataPath: DataPath;
  /** Names of the limits that were reached within the last minute. */
  readonly limitsReached: readonly string[];
  /** Refusals and losses of the system, by port and reason. */
  readonly portCounters: Readonly<Record<string, number>>;
}

export interface ClientSnapshot extends Omit<ClientMachineStatus, 'server'>, RoleSnapshot {
  /** The server in use. */
  readonly server: ServerCandidate | undefined;
  /** The local UDP port; 0 before the start. */
  readonly port: number;
  /** The port that a gateway has opened. */
  readonly portMapping: PortMapping | undefined;
  /** Name of the tunnel interface; undefined before the start, and of a client without one. */
  readonly interface: string | undefined;
  readonly defaultRoute: boolean;
  /** Packets of the hosts to and from peers, on both data paths. */
  readonly traffic: PeerTraffic;
  /** Traffic of the kernel; none of it is in `counters`. Undefined without a kernel path. */
  readonly carried: CarriedTotals | undefined;
  /** The threads that share the peers; all other fields are of all together. `receivedPackets`: of this host. */
  readonly workers: readonly { readonly receivedDatagrams: number; readonly receivedPackets: number }[];
}

export interface RelaySnapshot extends RelayMachineStatus, RoleSnapshot {
  /** The local UDP port; 0 before the start. */
  readonly port: number;
  /** Packets of the hosts to and from peers, on both data paths. */
  readonly traffic: PeerTraffic;
  /** Traffic of the kernel; none of it is in `counters`. Undefined without a kernel path. */
  readonly carried: CarriedTotals | undefined;
  /** The threads that share the clients; all other fields are of all together. `receivedPackets`: of hosts. */
  readonly workers: readonly { readonly receivedDatagrams: number; readonly receivedPackets: number }[];
}

export interface ServerSnapshot extends ServerMachineStatus, RoleSnapshot {
  /** The addresses that clients know the server by. */
  readonly announced: { readonly primary: Ipv4; readonly secondary: Ipv4 | undefined };
  /** The part of `counters` that the kernel did. Undefined without a kernel path. */
  readonly kernelCounters: Readonly<Record<string, number>> | undefined;
  /** Whether the drivers of interfaces answer solicitations, or why not; undefined where the kernel answers none. */
  readonly answersInDriver: true | string | undefined;
  /** The threads that share the work of the process. */
  readonly workers: readonly { readonly receivedDatagrams: number }[];
}
