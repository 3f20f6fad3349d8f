/**
 * The lines of `--log-format json`, an object for each event: the one declaration of the events, their levels and their fields. The messages may
 * change.
 */
import type { NatKind, QualificationReason } from '../core/events.ts';
import type { Count, EndpointText, Ipv6Text, ProcessId, Seconds, TimeText } from './units.ts';

/** The fields of every line. */
export interface LogLineCommon {
  /** When it was written, in UTC. */
  readonly time: TimeText;
  /** The event in words. */
  readonly msg: string;
  /** The role; absent until its control socket is open. */
  readonly role?: 'client' | 'server' | 'relay' | 'host-relay';
  /** The name of the daemon; absent until its control socket is open. */
  readonly name?: string;
  /** Its process; absent until its control socket is open. */
  readonly pid?: ProcessId;
}

interface LogLineOf<Level, Event> extends LogLineCommon {
  /** How important it is. */
  readonly level: Level;
  /** The name of the event. */
  readonly event: Event;
}

/** An end. `failed`: the role could not start, or something has ended it. */
export interface ErrorLine extends LogLineOf<'error', 'failed'> {}

/**
 * Something needs attention. `limit-reached`: soon after it begins, then once a minute. `reload-failed`: a line for each error of the new
 * configuration.
 */
export interface WarningLine extends LogLineOf<'warn', 'warning' | 'limit-reached' | 'reload-failed'> {}

/** Lines of the log could not be written: its reader had stopped, or its disk was full. */
export interface LinesLostLine extends LogLineOf<'warn', 'lines-lost'> {
  /** How many. */
  readonly lost: Count;
}

/** The client has no address. */
export interface OfflineLine extends LogLineOf<'warn', 'offline'> {
  readonly reason: QualificationReason;
}

/**
 * Worth knowing. `running`: the role is ready. `reachable`: once, the host can be reached from the IPv6 Internet. `draining`: a relay has withdrawn
 * its announcement.
 */
export interface InfoLine extends LogLineOf<
  'info',
  'notice' | 'running' | 'reloaded' | 'reachable' | 'draining'
> {}

/** The role answers HTTP over TCP (`--listen`). */
export interface ListeningLine extends LogLineOf<'info', 'listening'> {
  /** Where. */
  readonly url: string;
}

/** A restarted role has the peers of the process before it. */
export interface TakenOverLine extends LogLineOf<'info', 'taken-over'> {
  /** How many. */
  readonly peers: Count;
}

/** The address of a client, and its way to the Internet. */
interface AddressFields {
  /** Its Teredo address. */
  readonly address: Ipv6Text;
  readonly nat: NatKind;
  /** IPv4 address and port that the NAT shows to the server. */
  readonly mapped?: EndpointText | undefined;
  /** The server in use: its name as it was given. */
  readonly server?: string | undefined;
}

/** The client has an address. */
export interface QualifiedLine extends LogLineOf<'info', 'qualified'>, AddressFields {}

/** The client has another address. */
export interface AddressChangedLine extends LogLineOf<'info', 'address-changed'>, AddressFields {
  /** The address before. */
  readonly before: Ipv6Text;
}

/** The client rests, or looks for a server again. */
export interface StateLine extends LogLineOf<'info', 'dormant' | 'probe'> {
  readonly reason: QualificationReason;
}

/** The default route through the tunnel is there, or is gone. */
export interface DefaultRouteLine extends LogLineOf<'info', 'default-route'> {
  /** Whether it is there. */
  readonly on: boolean;
}

/** A gateway has opened a port, or no longer maps it. */
export interface PortMappingLine extends LogLineOf<'info', 'port-mapping'> {
  /** IPv4 address and port of the gateway that lets all hosts in; absent where it is gone. */
  readonly mapped?: EndpointText;
}

/** The data path has changed. */
export interface DataPathLine extends LogLineOf<'info', 'data-path'> {
  /** The path in use. */
  readonly path: 'user' | 'kernel';
}

/** The host was suspended. */
export interface ResumedLine extends LogLineOf<'info', 'resumed'> {
  /** For how long. */
  readonly seconds: Seconds;
}

/** The client looks for a server. */
export interface SearchingLine extends LogLineOf<'debug', 'searching'> {}

/** A signal ends the role. */
export interface StoppingLine extends LogLineOf<'debug', 'stopping'> {
  /** Its name. */
  readonly signal: string;
}

/** An event of a role. */
export type LogLine =
  | ErrorLine
  | WarningLine
  | LinesLostLine
  | OfflineLine
  | InfoLine
  | ListeningLine
  | TakenOverLine
  | QualifiedLine
  | AddressChangedLine
  | StateLine
  | DefaultRouteLine
  | PortMappingLine
  | DataPathLine
  | ResumedLine
  | SearchingLine
  | StoppingLine;
