/** The values of a role's options from several sources, of which a later one takes precedence over an earlier one. */
import type { LimitValues } from '../../runtime/settings/limits.ts';
import type { Options } from '../../runtime/settings/option.ts';

export type Source = 'default' | 'file' | 'environment' | 'flag';

/** Values by the names of the declarations; an option without a value is missing or undefined. */
export type GivenValues = Readonly<Record<string, unknown>>;

export interface Layer {
  readonly source: Exclude<Source, 'default'>;
  readonly values: GivenValues;
}

/** A value of an option; undefined: the role's own default holds. */
export interface Sourced {
  readonly value: unknown;
  readonly source: Source;
}

/** The effective value of each option. Limits of several layers are put together, by name. */
export function layered(options: Options, layers: readonly Layer[]): ReadonlyMap<string, Sourced> {
  const effective = Object.entries(options).map(([name, option]): [string, Sourced] => {
    const given = layers.filter(({ values }) => values[name] !== undefined);
    const last = given.at(-1);
    if (last === undefined)
      return [name, { value: 'kind' in option ? option.default : undefined, source: 'default' }];
    const isLimits = 'kind' in option && option.kind.fileType === 'limits';
    const value = isLimits ? together(given.map(({ values }) => values[name])) : last.values[name];
    return [name, { value, source: last.source }];
  });
  return new Map(effective);
}

/** The layer that gives a limit its value; undefined: none does. */
export function sourceOfLimit(limit: string, layers: readonly Layer[]): Source | undefined {
  return layers.findLast(({ values }) => (values['limits'] as LimitValues | undefined)?.has(limit))?.source;
}

/** The required options that have no value. */
export function missingIn(options: Options, effective: ReadonlyMap<string, Sourced>): string[] {
  return Object.entries(options)
    .filter(
      ([name, option]) => 'kind' in option && option.required === true && isMissing(effective.get(name)),
    )
    .map(([name]) => name);
}

/** The values alone, for a role. */
export function valuesIn(effective: ReadonlyMap<string, Sourced>): GivenValues {
  return Object.fromEntries([...effective].map(([name, { value }]) => [name, value]));
}

function isMissing(sourced: Sourced | undefined): boolean {
  return sourced?.value === undefined;
}

function together(limits: readonly unknown[]): LimitValues {
  return new Map((limits as LimitValues[]).flatMap((values) => [...values]));
}
