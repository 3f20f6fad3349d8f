/** Prometheus' text format. https://prometheus.io/docs/instrumenting/exposition_formats/ */
import { FAMILIES } from './families.ts';
import type { Family } from './families.ts';
import type { Sample } from './sample.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string>>;

/** All samples have the labels `common`, too. A family that has no labels of its own is there if it has a value. */
export function expositionOf(common: Labels, samples: readonly Sample[]): string {
  const lines = new Map<Family, string[]>();
  for (const [family, labels, value] of samples) {
    const line = `${family.name}${labelText({ ...labels, ...common })} ${numberText(value)}\n`;
    const found = lines.get(family);
    if (found === undefined) lines.set(family, [line]);
    else found.push(line);
  }
  return Object.values<Family>(FAMILIES)
    .filter((family) => family.labels.length > 0 || lines.has(family))
    .map((family) => headOf(family) + (lines.get(family) ?? []).join(''))
    .join('\n');
}

function headOf({ name, help, kind }: Family): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${kind}\n`;
}

function labelText(labels: Labels): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}

/** Names of servers and daemons are chosen by others. */
function escaped(value: string): string {
  return value.replaceAll(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value < 0 ? '-Inf' : '+Inf';
}
