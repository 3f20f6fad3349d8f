/** A role's limits as options: `NAME=VALUE`. */
import { kebab } from './option.ts';
import { ValueError } from './parse.ts';
import { faultOfLimit } from './rules.ts';

/** Groups of groups of numbers. */
interface Limits {
  readonly [name: string]: number | Limits;
}

/** Values of limits by name: of the library's fields, `bySource.shared.perSecond` being `by-source.shared.per-second`. */
export type LimitValues = ReadonlyMap<string, number>;

/** All limits of a role with these defaults, by name. */
export function namesOfLimits(defaults: object): LimitValues {
  return flatten(defaults as Limits, '');
}

/** The defaults, with the values given in their place. */
export function limitsWith<L extends object>(defaults: L, values: LimitValues | undefined): L {
  return values === undefined
    ? defaults
    : (replaced(defaults as unknown as Limits, values, '') as unknown as L);
}

/** One `NAME=VALUE`, added to those before; throws a ValueError. `known`: the role's limits. */
export function limitOf(text: string, known: LimitValues, before: LimitValues | undefined): LimitValues {
  const [name = '', digits, ...more] = text.split('=');
  if (digits === undefined || more.length > 0)
    throw new ValueError(`"${text}" is not a limit such as ${[...known.keys()][0]!}=100`);
  if (!known.has(name)) throw new ValueError(`there is no limit "${name}": --help-limits lists all`);
  const value = /^\d{1,10}(?:\.\d+)?$/.test(digits) ? Number(digits) : NaN;
  const fault = faultOfLimit(name, value);
  if (fault !== undefined) throw new ValueError(`"${digits}" ${fault} for ${name}`);
  return new Map([...(before ?? []), [name, value]]);
}

function flatten(limits: Limits, prefix: string): Map<string, number> {
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
