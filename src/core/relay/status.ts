import type { AccessList } from '../access-list.ts';
import type { PeerCounts } from '../peer-table.ts';
import type { PeerTraffic } from '../peer-traffic.ts';

/** A relay at one moment. */
export interface RelayMachineStatus {
  /** The moment: ms of the machine's clock. */
  readonly at: number;
  /** Which clients are served, by IPv4 address. */
  readonly access: AccessList;
  readonly peers: PeerCounts;
  /** Packets of the hosts to and from peers; those of the kernel path are not among them. */
  readonly traffic: PeerTraffic;
  /** Packets by verdict and reason. */
  readonly counters: Readonly<Record<string, number>>;
}
