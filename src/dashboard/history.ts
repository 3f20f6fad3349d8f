/** The last minutes of a daemon as numbers per second, for the charts. */
import type { RoleStatus } from '../control/status.ts';
import { dropsIn } from './drops.ts';

/** One point a second. */
const MOST = 600;

export interface Point {
  /** Seconds since 1970. */
  readonly time: number;
  /** By the names of its series; null: unknown. */
  readonly values: Readonly<Record<string, number | null>>;
  /** Dropped packets per second, by reason. */
  readonly drops: ReadonlyMap<string, number>;
}

/** Points in order of time; those of another process of the daemon are in it, too. */
export class History {
  private points: Point[] = [];
  private last: { readonly status: RoleStatus; readonly ms: number } | undefined;

  get all(): readonly Point[] {
    return this.points;
  }

  /** A status that came at this time. */
  add(status: RoleStatus, ms: number): void {
    const { last } = this;
    this.last = { status, ms };
    if (last === undefined || last.status.pid !== status.pid || ms <= last.ms) return;
    const seconds = (ms - last.ms) / 1_000;
    this.points.push({
      time: ms / 1_000,
      values: { ...ratesOf(last.status, status, seconds), ...levelsOf(status) },
      drops: dropRates(last.status, status, seconds),
    });
    if (this.points.length > MOST) this.points.shift();
  }

  /** The daemon gave no answer: the lines have a gap here. */
  gap(ms: number): void {
    const before = this.points.at(-1);
    if (before === undefined || Object.keys(before.values).length === 0) return;
    this.points.push({ time: ms / 1_000, values: {}, drops: new Map() });
  }
}

function ratesOf(before: RoleStatus, now: RoleStatus, seconds: number): Record<string, number> {
  const rate = (numberOf: (status: RoleStatus) => number): number =>
    Math.max(0, numberOf(now) - numberOf(before)) / seconds;
  if (now.role !== 'server')
    return {
      received: rate((status) => (status.role === 'server' ? 0 : status.traffic.receivedBytes)),
      sent: rate((status) => (status.role === 'server' ? 0 : status.traffic.sentBytes)),
    };
  return {
    answered: rate(({ counters }) => sum(counters, ['solicitationsAnswered', 'pingsAnswered'])),
    forwarded: rate(({ counters }) => sum(counters, ['forwardedToClients', 'forwardedToNative'])),
  };
}

function levelsOf(status: RoleStatus): Record<string, number | null> {
  if (status.role === 'server') return {};
  const { trusted, unverified } = status.peers;
  if (status.role !== 'client') return { trusted, unverified };
  return {
    trusted,
    unverified,
    roundTrip: status.state === 'qualified' ? (status.server?.roundTripMs ?? null) : null,
  };
}

function dropRates(before: RoleStatus, now: RoleStatus, seconds: number): Map<string, number> {
  const rates = new Map<string, number>();
  const old = dropsIn(before);
  for (const [reason, count] of dropsIn(now)) {
    const more = count - (old.get(reason) ?? 0);
    if (more > 0) rates.set(reason, more / seconds);
  }
  return rates;
}

function sum(counters: Readonly<Record<string, number>>, names: readonly string[]): number {
  return names.reduce((total, name) => total + (counters[name] ?? 0), 0);
}
