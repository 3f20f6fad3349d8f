import type { RoleStatus } from '../control/status.ts';

/** An event of the daemon's log. */
export interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly message: string;
}

/** A daemon that this page can show. */
export interface DaemonEntry {
  readonly name: string;
  readonly role: RoleStatus['role'];
  readonly ready: boolean;
}
