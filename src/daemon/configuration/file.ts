/** A configuration file, read and checked. It needs the readers of TOML and the schema: import it only when there is a file to read. */
import type { z } from 'zod';
import { camel, kebab } from '../../runtime/settings/option.ts';
import { printable } from '../../runtime/settings/quoted.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { adviceFor } from './advice.ts';
import { TomlDocument, TomlError } from './document.ts';
import type { Path, Place } from './document.ts';
import type { GivenValues } from './layers.ts';
import type { RoleName } from './roles.ts';
import { ROLE_SCHEMA, schemaOf } from './schema.ts';

/** So many errors are shown. */
const MOST_SHOWN = 20;

/** An error of a file. The message may take long to make: only those that are shown are asked for it. */
interface Fault {
  readonly place: Place;
  readonly message: string;
  readonly exitCode?: ExitCode;
}

/** An error about an option of the file's role. */
export interface OptionFault {
  readonly option: string;
  readonly message: string;
  /** Absent: the value itself is wrong. */
  readonly exitCode?: ExitCode;
}

export interface ConfigurationFile {
  readonly path: string;
  readonly role: RoleName;
  /** By the names of the declarations. */
  readonly values: GivenValues;
  /** A failure that gives the places of these options in the file. */
  failure(faults: readonly OptionFault[]): CommandFailure;
}

/** Throws a CommandFailure that lists all errors with their places. `path`: for messages. */
export function parseConfiguration(path: string, text: string): ConfigurationFile {
  const document = documentOf(path, text);
  const role = roleOf(path, document);
  const found = schemaOf(role).safeParse(document.value);
  if (!found.success) throw failureOf(path, faultsOf(found.error, document, role));
  const table = (found.data as Readonly<Record<string, object | undefined>>)[role] ?? {};
  return {
    path,
    role,
    values: Object.fromEntries(Object.entries(table).map(([key, value]) => [camel(key), value as unknown])),
    failure: (faults) =>
      failureOf(
        path,
        faults.map((fault) => optionFault(fault, document, role)),
      ),
  };
}

function documentOf(path: string, text: string): TomlDocument {
  try {
    return new TomlDocument(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw failureOf(path, [{ place: error.place, message: error.message }]);
  }
}

function roleOf(path: string, document: TomlDocument): RoleName {
  const found = ROLE_SCHEMA.safeParse(document.value);
  if (found.success) return found.data.role;
  const swallowed = document.headers.find((header) => document.hasKey([...header, 'role']));
  if (swallowed === undefined) throw failureOf(path, faultsOf(found.error, document));
  const message = `role: it belongs to the table [${swallowed.join('.')}] here: write it in the first line of the file`;
  throw failureOf(path, [{ place: document.placeOfKey([...swallowed, 'role']), message }]);
}

function faultsOf(error: z.ZodError, document: TomlDocument, role?: RoleName): Fault[] {
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => unknownKey(issue.path, key, document, role))
      : [{ place: document.placeOfValue(issue.path), message: `${nameOf(issue.path)}: ${issue.message}` }],
  );
}

function unknownKey(table: Path, key: string, document: TomlDocument, role?: RoleName): Fault {
  const where = table.length === 0 ? '' : ` in [${table.join('.')}]`;
  const advice = (): string => (role === undefined ? '' : adviceFor(table, key, role, document.headers));
  return {
    place: document.placeOfKey([...table, key]),
    get message() {
      return `there is no key "${key}"${where}${advice()}`;
    },
  };
}

function optionFault(
  { option, message, ...rest }: OptionFault,
  document: TomlDocument,
  role: RoleName,
): Fault {
  const place = document.placeOfValue([role, kebab(option)]);
  return { place, message: `${kebab(option)}: ${message}`, ...rest };
}

/** Without the table of the role, and without the number of an element. */
function nameOf(path: Path): string {
  const names = path.filter((part) => typeof part === 'string');
  return names.length > 1 ? names.slice(1).join('.') : names.join('.');
}

/** In the order of the file. One error is one line; several are a list. */
function failureOf(path: string, faults: readonly Fault[]): CommandFailure {
  const lines = faults
    .toSorted((one, other) => one.place.line - other.place.line || one.place.column - other.place.column)
    .slice(0, MOST_SHOWN)
    .map(({ place, message }) => `${path}:${place.line}:${place.column}: ${printable(message)}`);
  const [only] = lines;
  const exitCode = exitCodeOf(faults);
  if (lines.length === 1) return new CommandFailure(exitCode, only!);
  const which = faults.length > lines.length ? `, of which the first ${lines.length} are` : '';
  return new CommandFailure(exitCode, `${path} has ${faults.length} errors${which}:`, lines);
}

/** A wrong value decides: it stays wrong, while a refusal of the system may pass. */
function exitCodeOf(faults: readonly Fault[]): ExitCode {
  const codes = faults.map(({ exitCode = EXIT.USAGE }) => exitCode);
  return codes.includes(EXIT.USAGE) ? EXIT.USAGE : codes[0]!;
}
