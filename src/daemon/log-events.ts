import type { LogLine, LogLineCommon } from '../control/log-line.ts';

export type LogEvent = LogLine['event'];

/** The line of an event. */
type LineOf<E extends LogEvent, L = LogLine> = L extends LogLine ? (E extends L['event'] ? L : never) : never;

/** The level of each event. */
export const EVENTS = {
  failed: 'error',
  warning: 'warn',
  'limit-reached': 'warn',
  'reload-failed': 'warn',
  'lines-lost': 'warn',
  offline: 'warn',
  notice: 'info',
  running: 'info',
  listening: 'info',
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
} as const satisfies { readonly [E in LogEvent]: LineOf<E>['level'] };

/** The fields of an event in addition to its message. */
export type LogFields<E extends LogEvent = LogEvent> = E extends LogEvent
  ? Omit<LineOf<E>, 'event' | 'level' | keyof LogLineCommon>
  : never;

/** One line of the log. */
export interface LogEntry<E extends LogEvent = LogEvent> {
  readonly event: E;
  readonly message: string;
  /** Undefined ones are left out. */
  readonly fields: LogFields<E>;
}
