import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { faultOfLimit } from '../runtime/settings/rules.ts';

/** A role's limits: groups of groups of numbers. */
interface Limits {
  readonly [name: string]: number | Limits;
}

/** What `--limit` has gathered: values by name. */
export type LimitValues = ReadonlyMap<string, number>;

/**
 * Adds `--limit NAME=VALUE` to a role's command, and all names with their defaults to its help. Names are those of the
 * library's fields, `bySource.shared.perSecond` being `by-source.shared.per-second`.
 */
export function addLimitOption(command: Command, defaults: object): Command {
  const known = flatten(defaults as Limits);
  const names = [...known].map(([name, value]) => `  ${name}=${value}`).join('\n');
  return command
    .addOption(
      new Option('--limit <name=value...>', 'change a limit; names and defaults are below').argParser(
        (text: string, before: LimitValues | undefined) => parseLimit(text, known, before),
      ),
    )
    .addHelpText('after', `\nLimits (docs/security.md tells what they are for):\n${names}`);
}

/** The defaults, with what was given on the command line in their place. */
export function limitsWith<L extends object>(defaults: L, values: LimitValues | undefined): L {
  return values === undefined
    ? defaults
    : (replaced(defaults as unknown as Limits, values, '') as unknown as L);
}

function parseLimit(text: string, known: LimitValues, before: LimitValues | undefined): LimitValues {
  const [name = '', digits, ...more] = text.split('=');
  if (digits === undefined || more.length > 0) {
    throw new InvalidArgumentError(`"${text}" is not a limit such as ${[...known.keys()][0]!}=100.`);
  }
  const usual = known.get(name);
  if (usual === undefined) {
    throw new InvalidArgumentError(`there is no limit "${name}": --help lists those there are.`);
  }
  const value = /^\d{1,10}(?:\.\d+)?$/.test(digits) ? Number(digits) : NaN;
  const fault = faultOfLimit(name, value);
  if (fault !== undefined) throw new InvalidArgumentError(`"${digits}" ${fault} for ${name}.`);
  return new Map([...(before ?? []), [name, value]]);
}

function flatten(limits: Limits, prefix = ''): Map<string, number> {
  const all = new Map<string, number>();
  for (const [field, value] of Object.entries(limits)) {
    const name = prefix + kebab(field);
    if (typeof value === 'number') all.set(name, value);
    else for (const [below, number] of flatten(value, `${name}.`)) all.set(below, number);
  }
  return all;
}

function replaced(limits: Limits, values: LimitValues, prefix: string): Limits {
  const fields = Object.entries(limits).map(([field, value]) => {
    const name = prefix + kebab(field);
    return [
      field,
      typeof value === 'number' ? (values.get(name) ?? value) : replaced(value, values, `${name}.`),
    ];
  });
  return Object.fromEntries(fields) as Limits;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
