import { cpus } from 'node:os';
import { SEATS } from './seats.ts';
import type { Seat } from './seats.ts';

/** The pairs whose ratio is printed. */
const RATIOS: readonly (readonly [Seat, Seat])[] = [
  ['kernel', 'plain'],
  ['kernel', 'miredo'],
  ['user', 'miredo'],
];

/** Figures by name and seat, one value a round. */
export class Results {
  private readonly figures = new Map<string, Partial<Record<Seat, number[]>>>();

  add(figure: string, seat: Seat, value: number): void {
    const seats = this.figures.get(figure) ?? {};
    this.figures.set(figure, seats);
    (seats[seat] ??= []).push(value);
  }

  /** The median of the rounds; undefined where it was not measured. */
  median(figure: string, seat: Seat): number | undefined {
    return medianOf(this.figures.get(figure)?.[seat] ?? []);
  }

  /** Medians of each seat, and medians of the ratios round by round. */
  table(): string {
    const heads = [...SEATS, ...RATIOS.map((pair) => pair.join('/'))];
    const rows = [...this.figures].map(([name, seats]) => [
      name,
      ...SEATS.map((seat) => short(medianOf(seats[seat] ?? []))),
      ...RATIOS.map(([a, b]) => ratio(seats[a], seats[b])),
    ]);
    return [['', ...heads], ...rows]
      .map(([name, ...cells]) => `${name!.padEnd(52)}${cells.map((cell) => cell.padStart(15)).join('')}\n`)
      .join('');
  }

  json(): string {
    const machine = { kernel: process.release.name, node: process.version, processors: cpus().length };
    return `${JSON.stringify({ version: 1, machine, figures: Object.fromEntries(this.figures) }, undefined, 2)}\n`;
  }
}

function medianOf(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function ratio(a: readonly number[] | undefined, b: readonly number[] | undefined): string {
  if (a === undefined || b === undefined) return '';
  return (medianOf(a.map((value, i) => value / b[i]!)) ?? NaN).toFixed(2);
}

function short(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(value < 100 ? 2 : 0);
}
