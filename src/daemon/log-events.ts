import type { LogLevel } from '../runtime/settings/common-options.ts';

/** The events of the log, and the level of each: names for programs (docs/guide/log.md has their fields). */
export const EVENTS = {
  failed: 'error',
  warning: 'warn',
  'limit-reached': 'warn',
  'reload-failed': 'warn',
  'lines-lost': 'warn',
  offline: 'warn',
  notice: 'info',
  running: 'info',
  reloaded: 'info',
  'taken-over': 'info',
  qualified: 'info',
  dormant: 'info',
  probe: 'info',
  'address-changed': 'info',
  reachable: 'info',
  'default-route': 'info',
  'port-mapping': 'info',
  'data-path': 'info',
  resumed: 'info',
  searching: 'debug',
  draining: 'info',
  stopping: 'debug',
} as const satisfies Record<string, LogLevel>;

export type LogEvent = keyof typeof EVENTS;

/** Data of an event in addition to its message; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One line of the log. */
export interface LogEntry {
  readonly event: LogEvent;
  readonly message: string;
  readonly fields: LogFields;
}
