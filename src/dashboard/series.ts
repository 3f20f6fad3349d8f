/** The charts of each role, and their data as columns for uPlot. */
import type { RoleStatus } from '../control/status.ts';
import { formatOctets } from '../control/words.ts';
import { mainReasons } from './drops.ts';
import type { Point } from './history.ts';

export interface Series {
  /** Its name in the points. */
  readonly key: string;
  readonly title: string;
}

export interface ChartPlan {
  readonly key: string;
  readonly title: string;
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** Its values are whole numbers. */
  readonly isWhole?: boolean;
  /** Shown while there is nothing to draw. */
  readonly empty: string;
}

type Column = (number | null)[];

const octetRate = (value: number): string => `${formatOctets(value)}/s`;
const perSecond = (value: number): string => `${rounded(value)}/s`;
const count = (value: number): string => Math.round(value).toLocaleString('en');
const milliseconds = (value: number): string => `${value.toFixed(1)} ms`;

const TRAFFIC: ChartPlan = {
  key: 'traffic',
  title: 'Traffic',
  series: [
    { key: 'received', title: 'received' },
    { key: 'sent', title: 'sent' },
  ],
  format: octetRate,
  empty: 'No traffic yet',
};
const ROUND_TRIP: ChartPlan = {
  key: 'round-trip',
  title: 'Round trip to the server',
  series: [{ key: 'roundTrip', title: 'round trip' }],
  format: milliseconds,
  empty: 'Not measured yet',
};
const PEERS: ChartPlan = {
  key: 'peers',
  title: 'Peers',
  series: [
    { key: 'trusted', title: 'verified' },
    { key: 'unverified', title: 'not verified yet' },
  ],
  format: count,
  isWhole: true,
  empty: 'No peers yet',
};
const ANSWERS: ChartPlan = {
  key: 'answers',
  title: 'Answers and forwarded packets',
  series: [
    { key: 'answered', title: 'answers' },
    { key: 'forwarded', title: 'forwarded' },
  ],
  format: perSecond,
  empty: 'Nothing asked yet',
};

const MOST_REASONS = 5;

function dropsPlan(points: readonly Point[]): ChartPlan {
  const reasons = mainReasons(
    points.map(({ drops }) => drops),
    MOST_REASONS,
  );
  return {
    key: 'drops',
    title: 'Dropped packets, by reason',
    series: reasons.map((reason) => ({ key: reason, title: reason })),
    format: perSecond,
    empty: 'None dropped',
  };
}

export function plansFor(role: RoleStatus['role'], points: readonly Point[]): ChartPlan[] {
  const drops = dropsPlan(points);
  if (role === 'client') return [TRAFFIC, drops, ROUND_TRIP];
  return role === 'server' ? [ANSWERS, drops] : [TRAFFIC, drops, PEERS];
}

/** The times, then a column for each series. */
export function columnsOf(plan: ChartPlan, points: readonly Point[]): Column[] {
  const valueOf =
    plan.key === 'drops'
      ? ({ drops, values }: Point, key: string): number | null => drops.get(key) ?? (isGap(values) ? null : 0)
      : ({ values }: Point, key: string): number | null => values[key] ?? null;
  return [
    points.map(({ time }) => time),
    ...plan.series.map(({ key }) => points.map((point) => valueOf(point, key))),
  ];
}

function isGap(values: Point['values']): boolean {
  return Object.keys(values).length === 0;
}

/** Whether no series has any value but 0. */
export function isEmpty([, ...columns]: readonly Column[]): boolean {
  return columns.every((column) => column.every((value) => value === null || value === 0));
}

/** The latest values, for readers that do not see the chart. */
export function inWords(plan: ChartPlan, columns: readonly Column[]): string {
  if (isEmpty(columns)) return `${plan.title}: ${plan.empty.toLowerCase()}`;
  const latest = plan.series.map(({ title }, i) => {
    const value = columns[i + 1]!.at(-1) ?? null;
    return `${title} ${value === null ? 'unknown' : plan.format(value)}`;
  });
  return `${plan.title}, now: ${latest.join(', ')}`;
}

function rounded(value: number): string {
  return value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
}
