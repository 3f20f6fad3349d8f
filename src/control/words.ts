/** Values of the JSON for people, on a terminal and in a browser: nothing here needs Node.js. */
import type { PeerStatus, RoleStatus } from './status.ts';

export { counted } from '../runtime/counted.ts';

type Means = NonNullable<PeerStatus['means']>;

/** How a peer is reached: as in JSON, except for `met`. */
export function meansInWords(means: Means): string {
  return means === 'met' ? 'via your relay' : means;
}

const REASONS: Readonly<Record<NonNullable<PeerStatus['carriedReason']>, string>> = {
  unproven: 'not proven yet',
  unanswered: 'no answer to packets of the kernel',
  refused: 'sending refused by this host',
  unseen: 'receiving prevented by this host',
};

/** The data path of a peer's packets: both ways or one. */
export function pathInWords({ carried, carriedReason }: PeerStatus): string {
  const path = carried === 'both' ? 'kernel' : carried === 'inward' ? 'kernel in, user out' : 'user';
  return carriedReason === undefined ? path : `${path} (${REASONS[carriedReason]})`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** "184 B", "1.2 GB": a number of octets for people. */
export function formatOctets(octets: number): string {
  let [value, unit] = [octets, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]!}`;
}

/** How long a daemon has been in its state; undefined where one of an earlier version does not say it. */
export function secondsInState(status: RoleStatus): number | undefined {
  if (status.role !== 'server' && status.stateSeconds !== undefined) return status.stateSeconds;
  return status.state === 'running' ? status.uptimeSeconds : undefined;
}

/** "3 min", "2 h 5 min": a span of time for people. */
export function formatSpan(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
