/**
 * How an option of a role is declared. The declarations (client-options.ts, server-options.ts, relay-options.ts) are the only list of options:
 * the command line with its help, the check of settings, and messages about settings are made from them.
 *
 * An option's name is its name in settings, camelCase; the flag is the same in kebab-case (`localSameNat`, `--local-same-nat`).
 */
import type { Fault } from './rules.ts';

/** The type of a value in a configuration file. `texts`: a list of texts, or one text. `limits`: a table of numbers and of such tables. */
export type FileType = 'text' | 'number' | 'number-or-text' | 'texts' | 'limits';

/** A kind of value: how it is written, and which values are allowed. */
export interface Kind<T> {
  /** Its place in `--help`, such as `<address>`. */
  readonly placeholder: string;
  readonly fileType: FileType;
  /** All values, where they are a few words. */
  readonly choices?: readonly string[];
  /** The value of a text; throws a ValueError. `before`: the value so far, of an option that may be given more than once. */
  parse(text: string, before?: T): T;
  /** Of a setting; absent where check.ts has a check of its own. */
  faultOf?(value: T): Fault;
  /** A setting in messages. */
  inWords?(value: T): string;
  /** The text that {@link parse} takes, where the value's own text is another; of a list the texts of its elements. */
  textOf?(value: T): string | string[];
}

interface Declared {
  readonly help: string;
  /** Name of one element on the command line, where the option is a list: `--server` of `servers`. */
  readonly flag?: string;
  /** The setting that it is a part of, where that has another name; false: no setting of the library, only of a daemon. */
  readonly setting?: string | false;
  /** Explained together, below the options. */
  readonly group?: 'access' | 'limits';
  /** A running daemon takes another value without a restart; `contents`: other contents of the same file. */
  readonly live?: true | 'contents';
}

/** `--x VALUE` */
export interface ValueOption<T> extends Declared {
  readonly kind: Kind<T>;
  readonly default?: T;
  readonly required?: true;
  /** Of a setting: 0 leaves it to the system. */
  readonly mayBeZero?: true;
}

/** `--x`, `--no-x` or both. Without either the role's own default holds. */
export interface SwitchOption<T> extends Declared {
  /** The value that `--x` gives; absent: there is no such flag. */
  readonly on?: T;
  /** The value that `--no-x` gives; absent: there is no such flag. */
  readonly off?: T;
  /** Of `--no-x`, where there are both. */
  readonly helpOff?: string;
  /** All values of the setting, where they are words. */
  readonly choices?: readonly string[];
}

export type Options = Readonly<Record<string, ValueOption<unknown> | SwitchOption<unknown>>>;

/** The values of declared options, by name. */
export type Values<O extends Options> = {
  readonly [N in keyof O]: O[N] extends { readonly kind: Kind<infer T> }
    ? O[N] extends { readonly required: true } | { readonly default: T }
      ? T
      : T | undefined
    : O[N] extends SwitchOption<infer T>
      ? T | undefined
      : never;
};

/** The flag of an option, without dashes. */
export function flagOf(name: string, { flag }: Declared): string {
  return flag ?? kebab(name);
}

export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function camel(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
