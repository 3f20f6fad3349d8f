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
