import type { Argument, Command, Option } from 'commander';
import { CLIENT_LIMITS } from '../../core/client/limits.ts';
import { RELAY_LIMITS } from '../../core/relay/limits.ts';
import { SERVER_LIMITS } from '../../core/server/limits.ts';
import { namesOfLimits } from '../../runtime/settings/limits.ts';
import { faultOfName } from '../../runtime/settings/rules.ts';
import { parseIpv6 } from '../../wire/index.ts';
import { CONFIGURATION } from '../commands/run.ts';
import { CommandLine } from './command-line.ts';

/** A word that may stand at the cursor, and its meaning. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** Stands for all names of files: the shell completes them. */
export const FILES: Candidate = { word: ':files', about: '' };

/** Names that only this machine knows. */
export interface KnownNames {
  daemons(): readonly string[];
  configurations(): readonly string[];
  peers(): Promise<readonly string[]>;
}

const LIMITS: Readonly<Record<string, object>> = {
  client: CLIENT_LIMITS,
  server: SERVER_LIMITS,
  relay: RELAY_LIMITS,
  'host-relay': RELAY_LIMITS,
};
/** The most octets of a meaning. */
const MOST_ABOUT = 70;

/** The words that may stand in the place of the last of `words`, and begin as it does. */
export async function candidates(
  program: Command,
  words: readonly string[],
  known: KnownNames,
): Promise<Candidate[]> {
  const current = words.at(-1) ?? '';
  const line = new CommandLine(program, words.slice(0, -1));
  const all =
    current.startsWith('-') && line.mayHaveOption ? options(line, current) : await values(line, known);
  return all.filter((candidate) => candidate === FILES || candidate.word.startsWith(current));
}

/** Options, or after `--option=` its values. */
function options({ command, given }: CommandLine, current: string): Candidate[] {
  const end = current.indexOf('=');
  if (end < 0) {
    return command
      .createHelp()
      .visibleOptions(command)
      .filter((option) => option.variadic || !given.has(option))
      .map((option) => ({ word: option.long ?? option.short!, about: shortened(option.description) }));
  }
  const flag = current.slice(0, end);
  const option = command.options.find(({ long }) => long === flag);
  const found = option === undefined ? [] : valuesOf(option, command);
  return found.filter((one) => one !== FILES).map(({ word, about }) => ({ word: `${flag}=${word}`, about }));
}

async function values(line: CommandLine, known: KnownNames): Promise<Candidate[]> {
  const { command, pending, argumentCount } = line;
  if (pending !== undefined) return valuesOf(pending, command);
  const below = argumentCount > 0 ? [] : command.createHelp().visibleCommands(command);
  const commands = below.map((one) => ({ word: one.name(), about: shortened(one.description()) }));
  const argument = command.registeredArguments[argumentCount];
  return [...commands, ...(argument === undefined ? [] : await argumentsOf(argument, known))];
}

function valuesOf({ long, flags, argChoices }: Option, command: Command): Candidate[] {
  if (argChoices !== undefined) return argChoices.map((word) => ({ word, about: '' }));
  if (flags.endsWith('<file>')) return [FILES];
  if (long === '--limit') return limitsOf(command);
  const [, word] = /\|(none|auto)>$/.exec(flags) ?? [];
  return word === undefined ? [] : [{ word, about: '' }];
}

function limitsOf(command: Command): Candidate[] {
  return [...namesOfLimits(LIMITS[command.name()] ?? {})].map(([name, value]) => ({
    word: `${name}=`,
    about: `default: ${value}`,
  }));
}

async function argumentsOf(argument: Argument, known: KnownNames): Promise<Candidate[]> {
  if (argument.name() === 'name') return named(known.daemons(), 'daemon');
  if (argument.name() === CONFIGURATION[0].slice(1, -1))
    return [...named(known.configurations(), 'configuration'), FILES];
  if (argument.name() === 'address')
    return offer(await known.peers(), 'peer', (word) => parseIpv6(word) !== undefined);
  return [];
}

function named(words: readonly string[], about: string): Candidate[] {
  return offer(words, about, (word) => faultOfName(word) === undefined);
}

/** Shells put a word into the command line as it is: another account may have made a file with a command in its name. */
function offer(words: readonly string[], about: string, isSafe: (word: string) => boolean): Candidate[] {
  return words.filter(isSafe).map((word) => ({ word, about }));
}

/** The beginning of a meaning, on one line. */
function shortened(text: string): string {
  const first = text.split(/[;:(]/)[0]!.trim();
  return first.length <= MOST_ABOUT ? first : `${first.slice(0, MOST_ABOUT - 3)}...`;
}
