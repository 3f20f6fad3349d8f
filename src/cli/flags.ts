/** The command line of a role, made from the declarations of its options. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { fromEnvironment } from '../daemon/configuration/environment.ts';
import { layered, valuesIn } from '../daemon/configuration/layers.ts';
import type { GivenValues } from '../daemon/configuration/layers.ts';
import { MAX_ACCESS_PREFIXES } from '../core/access-list.ts';
import type { LimitName } from '../core/limit-hits.ts';
import { namesOfLimits } from '../runtime/settings/limits.ts';
import { camel, flagOf } from '../runtime/settings/option.ts';
import type { Options, SwitchOption, ValueOption, Values } from '../runtime/settings/option.ts';
import { ValueError } from '../runtime/settings/parse.ts';
import { addHelpOption } from './help.ts';

const ACCESS_HELP = `
Access: PREFIX is an IPv4 prefix or address; ${MAX_ACCESS_PREFIXES} at the most. The longest prefix that matches an address decides.
An address that no prefix matches is served. It is refused if at least one --allow prefix is not inside a --deny prefix.
  --deny 203.0.113.0/24 --allow 203.0.113.7   all addresses except that network; of that network only 203.0.113.7
  --allow 198.51.100.0/24                     only that network`;

/**
 * Adds the flags of these options to a command: the required ones first, else in their order. The environment may give a required option,
 * too; `whole`: it is required at all.
 */
export function addOptions(command: Command, options: Options, whole = true): Command {
  for (const [name, option] of requiredFirst(options))
    for (const flag of 'kind' in option ? [valueFlag(name, option, whole)] : switchFlags(name, option))
      command.addOption(flag);
  return command.hook('preAction', () => addEnvironment(command, options));
}

/** The help for `--allow` and `--deny`, below the options; `more`: lines about the role. */
export function addAccessHelp(command: Command, more: string): Command {
  return command.addHelpText('after', `${ACCESS_HELP}\n${more}`);
}

/** Limits that the log names, but no option changes. */
export const FIXED_LIMITS = {
  client: ['bubbles-to-peer', 'proofs', 'control-socket'],
  relay: ['bubbles-to-peer', 'proofs', 'control-socket'],
  server: ['control-socket'],
} as const satisfies Record<string, readonly LimitName[]>;

/** `--help-limits`: all names of `--limit` with their defaults. */
export function addLimitsHelp(command: Command, defaults: object, fixed: readonly LimitName[]): Command {
  const names = [...namesOfLimits(defaults)]
    .map(([name, value]) => `  ${name}=${shortened(value)}\n`)
    .join('');
  const text =
    `Limits and their defaults, for --limit (docs/security.md has the purpose of each):\n${names}` +
    `Fixed, but named in the log, too: ${fixed.join(', ')}\n`;
  return addHelpOption(command, '--help-limits', 'display the names and defaults of all limits', text);
}

function shortened(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

/** The values of flags and environment, and the defaults of options with one, by the names of the declarations. */
export function valuesOf<O extends Options>(command: Command, options: O): Values<O> {
  const layers = [
    { source: 'environment', values: fromEnvironment(options, process.env) },
    { source: 'flag', values: flagsGiven(command, options) },
  ] as const;
  return valuesIn(layered(options, layers)) as Values<O>;
}

/** The values of the flags, by the names of the declarations. */
export function flagsGiven(command: Command, options: Options): GivenValues {
  const values = Object.entries(options).map(([name, option]): [string, unknown] => {
    const attribute = camel(flagOf(name, option));
    if (command.getOptionValueSource(attribute) !== 'cli') return [name, undefined];
    const given: unknown = command.getOptionValue(attribute);
    if ('kind' in option) return [name, given];
    return [name, given === true ? option.on : option.off];
  });
  return Object.fromEntries(values);
}

/** A parser of commander, which shows its error with the option's name. */
export function argument<T>(parse: (text: string, before?: T) => T): (text: string, before?: T) => T {
  return (text, before) => {
    try {
      return parse(text, before);
    } catch (error) {
      if (error instanceof ValueError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}

function requiredFirst(options: Options): [string, Options[string]][] {
  const all = Object.entries(options);
  const isRequired = ([, option]: (typeof all)[number]): boolean =>
    'kind' in option && option.required === true;
  return [...all.filter(isRequired), ...all.filter((entry) => !isRequired(entry))];
}

/** So that required options of the environment are not missing. */
function addEnvironment(command: Command, options: Options): void {
  for (const [name, value] of Object.entries(fromEnvironment(options, process.env))) {
    const attribute = camel(flagOf(name, options[name]!));
    if (command.getOptionValue(attribute) === undefined)
      command.setOptionValueWithSource(attribute, value, 'env');
  }
}

function valueFlag(name: string, option: ValueOption<unknown>, whole: boolean): Option {
  const { kind, help, default: usual, required = false } = option;
  const usualText = typeof usual === 'object' ? kind.textOf?.(usual)?.toString() : undefined;
  const flag = new Option(`--${flagOf(name, option)} ${kind.placeholder}`, help);
  if (kind.choices === undefined) flag.argParser(argument((text, before) => kind.parse(text, before)));
  else flag.choices(kind.choices);
  if (usual !== undefined) flag.default(usual, usualText);
  return flag.makeOptionMandatory(required && whole);
}

function switchFlags(name: string, option: SwitchOption<unknown>): Option[] {
  const { help, helpOff = help, on, off } = option;
  const flag = flagOf(name, option);
  return [
    ...(on === undefined ? [] : [new Option(`--${flag}`, help)]),
    ...(off === undefined ? [] : [new Option(`--no-${flag}`, helpOff)]),
  ];
}
