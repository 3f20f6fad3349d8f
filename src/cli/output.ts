/** stdout is the answer; stderr everything else. */

export function printJson(value: unknown): void {
  printLine(jsonText(value));
}

/** On a terminal in several lines. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : undefined);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Names and values below each other. */
export function printTable(rows: readonly (readonly [string, string])[]): void {
  for (const line of tableLines(rows)) printLine(line);
}

export function tableLines(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

/** Columns under their titles, as wide as their widest entry. */
export function printColumns(titles: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  for (const row of [titles, ...rows]) {
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
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

/** "3 min", "2 h 5 min": a span of time for people. */
export function formatSpan(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
