import { flagOf, kebab } from '../../runtime/settings/option.ts';
import type { Options } from '../../runtime/settings/option.ts';
import type { LimitValues } from '../../runtime/settings/limits.ts';
import { variableOf } from './environment.ts';
import { sourceOfLimit } from './layers.ts';
import type { Layer, Source, Sourced } from './layers.ts';

/** An effective value in words. */
export interface Shown {
  /** The key in a file. */
  readonly option: string;
  readonly value: string;
  /** `default`, `file`, or the name of the variable or flag. */
  readonly source: string;
}

/** All options with their effective values; of limits those that are not at their defaults. */
export function inWords(
  options: Options,
  effective: ReadonlyMap<string, Sourced>,
  layers: readonly Layer[],
): Shown[] {
  return Object.entries(options).flatMap(([name, option]) => {
    const { value, source } = effective.get(name)!;
    if ('kind' in option && option.kind.fileType === 'limits')
      return limitsInWords(name, option, value as LimitValues | undefined, layers);
    return [
      { option: kebab(name), value: textOf(option, value), source: sourceInWords(source, name, option) },
    ];
  });
}

/** A value as it is written in files and flags; "-": there is none. */
export function textOf(option: Options[string], value: unknown): string {
  if (value === undefined) return '-';
  const text = 'kind' in option ? option.kind.textOf?.(value) : undefined;
  return [text ?? (value as string | number | boolean)].flat().join(', ');
}

function limitsInWords(
  name: string,
  option: Options[string],
  values: LimitValues = new Map(),
  layers: readonly Layer[],
): Shown[] {
  return [...values].map(([limit, value]) => ({
    option: `${kebab(name)}.${limit}`,
    value: String(value),
    source: sourceInWords(sourceOfLimit(limit, layers) ?? 'default', name, option),
  }));
}

function sourceInWords(source: Source, name: string, option: Options[string]): string {
  if (source === 'environment') return variableOf(name, option);
  return source === 'flag' ? `--${flagOf(name, option)}` : source;
}
