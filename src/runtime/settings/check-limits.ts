import { quoted } from './quoted.ts';
import { faultOfLimit } from './rules.ts';
import { SettingsError } from './settings-error.ts';

/** A role's limits: groups of groups of numbers. */
interface Limits {
  readonly [name: string]: number | Limits | undefined;
}

/**
 * Throws a {@link SettingsError} unless `limits` has the fields of `defaults`, with numbers that a limit can have. `mayLackSome`: of the
 * outermost fields; the groups within are whole.
 */
export function checkLimits(
  limits: object,
  defaults: object,
  { mayLackSome = false }: { readonly mayLackSome?: boolean } = {},
): void {
  checkGroup(limits as Limits, defaults as Limits, '', mayLackSome);
}

function checkGroup(limits: Limits, defaults: Limits, prefix: string, mayLackSome: boolean): void {
  const [given, known] = [Object.keys(limits), Object.keys(defaults)];
  // Of any budget, whether the default has one or not: where giving back ends.
  if (known.includes('burst')) known.push('ceiling');
  const unknown = given.find((field) => !known.includes(field));
  if (unknown !== undefined) throw fault(prefix + unknown, 'there is no such limit');
  const needed = mayLackSome ? given : Object.keys(defaults);
  for (const field of new Set([...needed, ...given])) {
    const [value, usual] = [limits[field], defaults[field]];
    const name = prefix + field;
    if (typeof usual === 'object') {
      if (typeof value !== 'object' || value === null)
        throw fault(name, `${quoted(value)} is no group of limits`);
      checkGroup(value, usual, `${name}.`, false);
      continue;
    }
    const why = faultOfLimit(name, value as number);
    if (why !== undefined) throw fault(name, `${quoted(value)} ${why}`);
  }
}

function fault(name: string, why: string): SettingsError {
  return new SettingsError(`limits.${name}`, `limits.${name}: ${why}`);
}
