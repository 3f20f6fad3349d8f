/** Tables of the figures: of Markdown for the page, of plain text for the terminal. */
import { SEATS } from '../seats.ts';
import type { Seat } from '../seats.ts';
import type { Figure, Results } from './results.ts';
import { differences, median, ratios, spread } from './statistics.ts';

/** The pairs of seats whose ratio is shown. */
const RATIOS: readonly (readonly [Seat, Seat])[] = [
  ['kernel', 'plain'],
  ['user', 'plain'],
  ['kernel', 'miredo'],
  ['user', 'miredo'],
];
const HEADS: Readonly<Record<Seat, string>> = {
  plain: 'plain IPv4',
  null: 'nothing',
  miredo: 'miredo',
  user: 'user path',
  kernel: 'kernel path',
};

export type Table = readonly (readonly string[])[];

/** The figures with these beginnings of names, and only the columns that are of use to them. */
export function tableOf(results: Results, belongs: (name: string) => boolean): Table {
  const figures = Object.entries(results.report.figures)
    .filter(([name]) => belongs(name))
    .flatMap(([name, figure]) => [[name, figure] as const, ...overNull(name, figure)]);
  const seats = SEATS.filter((seat) => figures.some(([, figure]) => figure[seat] !== undefined));
  const pairs = RATIOS.filter((pair) => pair.every((seat) => seats.includes(seat)));
  const heads = ['', ...seats.map((seat) => HEADS[seat]), ...pairs.map((pair) => pair.join(' / '))];
  const rows = figures.map(([name, figure]) => [
    name,
    ...seats.map((seat) => cellText(figure, seat)),
    ...pairs.map(([a, b]) => ratioText(figure, a, b)),
  ]);
  return rows.length === 0 ? [] : [heads, ...rows];
}

/** Of a cost that the null seat has, too: what the other seats add to it, by alternation. */
function overNull(name: string, figure: Figure): (readonly [string, Figure])[] {
  const nothing = figure.null?.values ?? [];
  if (!/, (?:us|ns) an? /.test(name) || nothing.length === 0) return [];
  const others = Object.entries(figure).filter(([seat]) => seat !== 'null');
  const added = others.map(([seat, { values }]) => [seat, { values: differences(values, nothing) }] as const);
  return [[`the same over ${HEADS.null}`, Object.fromEntries(added)]];
}

/** Where packets were dropped, by row of the bench and seat. */
export function dropTable(results: Results): Table {
  const rows = Object.entries(results.report.drops).flatMap(([row, seats]) =>
    Object.entries(seats).map(([seat, drops]) => {
      const places = Object.entries(drops).map(([place, count]) => `${place} ${count}`);
      return [row, HEADS[seat as Seat], places.join(', ') || 'none'];
    }),
  );
  return rows.length === 0 ? [] : [['', '', 'packets dropped'], ...rows];
}

export function asMarkdown([heads, ...rows]: Table): string {
  if (heads === undefined) return 'Not measured.';
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function asText(results: Results): string {
  return [tableOf(results, () => true), dropTable(results)].map(aligned).join('\n');
}

function aligned(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))),
  );
  return lines.map((cells) => `${cells.join('  ')}\n`).join('');
}

/** The median with both quartiles; `*`: bound by the generators. */
function cellText(figure: Figure, seat: Seat): string {
  const cell = figure[seat];
  if (cell === undefined || cell.values.length === 0) return '';
  const { low, median, high } = spread(cell.values);
  const quartiles = cell.values.length < 2 ? '' : ` (${short(low)}-${short(high)})`;
  return `${short(median)}${quartiles}${cell.isGeneratorBound === true ? ' generator-bound' : ''}`;
}

function ratioText(figure: Figure, a: Seat, b: Seat): string {
  const [over, under] = [figure[a]?.values ?? [], figure[b]?.values ?? []];
  return over.length === 0 || under.length === 0 ? '' : median(ratios(over, under)).toFixed(2);
}

/** Three digits that mean something. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Number(value.toPrecision(3)).toString();
}
