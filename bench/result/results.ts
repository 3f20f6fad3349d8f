/** Everything that was measured, as it is written to JSON and read from it. */
import type { Drops } from '../machine/drops.ts';
import type { Facts } from '../machine/facts.ts';
import type { Seat } from '../seats.ts';

/** A figure of one seat. */
export interface Cell {
  /** One for each alternation. */
  readonly values: number[];
  /** How many generators there were; absent where their number does not matter. */
  generators?: number;
  /** More generators would have given a higher rate. */
  isGeneratorBound?: boolean;
}

export type Figure = Partial<Record<Seat, Cell>>;

export interface Settings {
  readonly alternations: number;
  readonly seconds: number;
  readonly quick: boolean;
}

export interface Report {
  readonly version: 2;
  readonly facts: Facts;
  readonly settings: Settings;
  /** The largest share of the machine that other work had during a measurement. */
  otherWork: number;
  /** By name. */
  readonly figures: Record<string, Figure>;
  /** Packets that were dropped during a row, by seat and place. */
  readonly drops: Record<string, Partial<Record<Seat, Drops>>>;
}

export class Results {
  readonly report: Report;

  constructor(report: Report) {
    this.report = report;
  }

  static of(facts: Facts, settings: Settings): Results {
    return new Results({ version: 2, facts, settings, otherWork: 0, figures: {}, drops: {} });
  }

  /** Throws if the value is none, for example of no packets. */
  add(figure: string, seat: Seat, value: number): void {
    if (!Number.isFinite(value))
      throw new Error(`${figure}, ${seat}: the measurement has no result (${value})`);
    this.cell(figure, seat).values.push(value);
  }

  noteGenerators(figure: string, seat: Seat, count: number, isBound: boolean): void {
    Object.assign(this.cell(figure, seat), { generators: count, isGeneratorBound: isBound });
  }

  noteDrops(row: string, seat: Seat, drops: Drops): void {
    (this.report.drops[row] ??= {})[seat] = drops;
  }

  /** Empty if it was not measured. */
  values(figure: string, seat: Seat): readonly number[] {
    return this.report.figures[figure]?.[seat]?.values ?? [];
  }

  json(): string {
    return `${JSON.stringify(this.report, undefined, 1).replaceAll(/\[\s+([-\d.,\s]+?)\s+\]/g, (_, list: string) => `[${list.replaceAll(/\s+/g, ' ')}]`)}\n`;
  }

  private cell(figure: string, seat: Seat): Cell {
    const cells = (this.report.figures[figure] ??= {});
    return (cells[seat] ??= { values: [] });
  }
}
