import type { AccessList } from '../access-list.ts';

/** A server at one moment. */
export interface ServerMachineStatus {
  /** The moment: ms of the machine's clock. */
  readonly at: number;
  /** Which clients are served, by IPv4 address. */
  readonly access: AccessList;
  /** Packets by verdict and reason. */
  readonly counters: Readonly<Record<string, number>>;
}
