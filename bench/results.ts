import { cpus } from 'node:os';
import { VARIANTS } from './variants.ts';
import type { Variant } from './variants.ts';

/** The pairs of variants whose ratio is printed. */
const RATIOS: readonly (readonly [Variant, Variant])[] = [
  ['kernel', 'plain'],
  ['kernel', 'miredo'],
  ['user', 'miredo'],
];

/** Figures by name and variant, one value per round. */
export class Results {
  private readonly figures = new Map<string, Partial<Record<Variant, number[]>>>();

  add(figure: string, variant: Variant, value: number): void {
    const variants = this.figures.get(figure) ?? {};
    this.figures.set(figure, variants);
    (variants[variant] ??= []).push(value);
  }

  /** The median of the rounds; undefined if it was not measured. */
  median(figure: string, variant: Variant): number | undefined {
    return medianOf(this.figures.get(figure)?.[variant] ?? []);
  }

  /** The medians of each variant, and the medians of the ratios of each round. */
  table(): string {
    const heads = [...VARIANTS, ...RATIOS.map((pair) => pair.join('/'))];
    const rows = [...this.figures].map(([name, variants]) => [
      name,
      ...VARIANTS.map((variant) => short(medianOf(variants[variant] ?? []))),
      ...RATIOS.map(([a, b]) => ratio(variants[a], variants[b])),
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
