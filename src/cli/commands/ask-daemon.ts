import { basename } from 'node:path';
import { ask, findSockets } from '../../control/control-client.ts';
import type { FoundDaemon, HiddenFolder } from '../../control/control-client.ts';
import type { ControlError } from '../../control/control-error.ts';
import type { ControlAnswer, ControlRequest } from '../../control/control-protocol.ts';
import { boundNames, networkNamespace } from '../../control/network-namespace.ts';
import type { Answerer, DaemonStatus, RoleStatus } from '../../control/status.ts';
import { configurationPath } from '../../daemon/configuration/path.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';

/** An answer, and the path at which its daemon can be asked again. */
export interface AnswerAt<T> {
  readonly path: string;
  readonly answer: T;
}

export interface Answers<T> {
  readonly found: AnswerAt<T>[];
  readonly failures: CommandFailure[];
  /** Those of `failures` that are of daemons, not of folders; and of these, those that may be of this network namespace. */
  readonly silent: CommandFailure[];
  readonly nearSilent: CommandFailure[];
}

/**
 * The answer of the daemon of this name; without a name those of all that run in this network namespace and have one to
 * give, or of all on this machine where none runs in it. Those that give none, and folders that cannot be looked at, hide no other: they
 * are in `failures`. Fails where there is none.
 */
export async function findAnswers<T extends Answerer>(
  name: string | undefined,
  request: ControlRequest,
  patienceMs?: number,
): Promise<Answers<T>> {
  const { sockets, hidden } = findSockets(name);
  const all = sockets.map(({ path }) => path);
  const near = all.filter(isOfThisNamespace());
  let paths = name === undefined ? near : all;
  let outcomes = await askAll(paths, request, patienceMs);
  // Daemons of other namespaces count only where none of this one answers.
  if (answersIn<T>(outcomes).length === 0) {
    const others = without(all, paths);
    outcomes = [...outcomes, ...(await askAll(others, request, patienceMs))];
    paths = [...paths, ...others];
  }
  const silent = outcomes.filter((outcome) => outcome instanceof CommandFailure);
  const nearSilent = silent.filter((one) => near.includes(paths[outcomes.indexOf(one)]!));
  const failures = [...silent];
  const answers = paths.flatMap((path, i) => answersIn<T>([outcomes[i]]).map((answer) => ({ path, answer })));
  // A daemon of this name that has been found need not be looked for elsewhere.
  if (name === undefined || answers.length === 0) failures.push(...hidden.map(cannotLook));
  if (answers.length === 0) throw noAnswer(name, outcomes, failures);
  const local = answers.filter(isHere());
  const found = name !== undefined || local.length === 0 ? answers : local;
  return { found, failures, silent, nearSilent };
}

/**
 * As {@link findAnswers}, but of this network namespace only, by where each is to be asked again; empty where there is none. Failures go to stderr.
 */
export async function askHere<T extends Answerer>(request: ControlRequest): Promise<ReadonlyMap<string, T>> {
  const namespace = networkNamespace();
  const { sockets, hidden } = findSockets();
  const paths = sockets.map(({ path }) => path).filter(isOfThisNamespace());
  const outcomes = await askAll(paths, request);
  const failures = outcomes.filter((outcome) => outcome instanceof CommandFailure);
  failures.push(...hidden.map(cannotLook));
  const here = new Map<string, T>();
  for (const [i, path] of paths.entries())
    for (const answer of answersIn<T>([outcomes[i]]))
      if (answer.networkNamespace === namespace) here.set(path, answer);
  if (here.size === 0 && failures.length > 0) throw noAnswer(undefined, outcomes, failures);
  tell(failures);
  return here;
}

/** Those of these daemons that answer, without a word of the others. */
export async function askAgain<T>(paths: readonly string[], request: ControlRequest): Promise<T[]> {
  return answersIn<T>(await askAll(paths, request));
}

/** As {@link findAnswers}, but of one daemon: those of this network namespace come first. Fails where several are left. Failures go to stderr. */
export async function askOne<T extends Answerer>(
  name: string | undefined,
  request: ControlRequest,
): Promise<T> {
  const { found, failures } = await findAnswers<T>(name, request);
  tell(failures);
  const here = found.filter(isHere());
  const near = here.length > 0 ? here : found;
  if (near.length > 1) throw several(name, near);
  return near[0]!.answer;
}

/**
 * The one daemon that a command is to change: those of this network namespace come first, and without a name those of `role`. Fails where
 * there is none, where there are several, and where one that gives no answer may be meant.
 */
export async function findOne(name: string | undefined, role?: RoleStatus['role']): Promise<FoundDaemon> {
  return placeOf(await findAnswerer(name, role));
}

async function findAnswerer(
  name: string | undefined,
  role?: RoleStatus['role'],
): Promise<AnswerAt<RoleStatus>> {
  const { found, failures, nearSilent } = await findAnswers<RoleStatus>(name, { command: 'status' });
  const here = found.filter(isHere());
  const mayBeMeant = here.length > 0 ? nearSilent : failures;
  if (mayBeMeant.length > 0) throw noAnswer(name, [], mayBeMeant);
  tell(failures);
  const near = here.length > 0 ? here : found;
  const fitting = name === undefined ? near.filter(({ answer }) => answer.role === role) : [];
  const meant = fitting.length > 0 ? fitting : near;
  if (meant.length > 1) throw several(name, meant);
  return meant[0]!;
}

function placeOf({ path, answer: { name } }: AnswerAt<Answerer>): FoundDaemon {
  return { path, name };
}

/**
 * As {@link findOne}, but for the daemon that "teredo run" has started with this name or path of a configuration: its own name may be
 * another one. Its own name counts where no file tells it from others: it has none, or several daemons have it.
 */
export async function findConfigured(given: string | undefined): Promise<FoundDaemon> {
  if (given === undefined) return findOne(given);
  const file = configurationPath(given);
  const { found, nearSilent } = await findAll();
  const ofFile = found.filter(({ answer }) => answer.file === file);
  if (ofFile.length > 1) throw severalOfFile(file, ofFile);
  if (ofFile.length === 1) return placeOf(ofFile[0]!);
  if (nearSilent.length > 0) throw noAnswer(given, [], nearSilent);
  // No name has a "/".
  if (given.includes('/'))
    throw failure(EXIT.NO_DAEMON, `no teredo daemon with the configuration file ${file} is running here`);
  const named = await findAnswerer(given);
  const other = named.answer.file;
  if (other !== undefined && found.filter(({ answer }) => answer.file === other).length < 2)
    throw failure(
      EXIT.NO_DAEMON,
      `no teredo daemon of ${file} is running; the one named "${given}" is of ${other}: say "teredo reload ${other}"`,
    );
  return placeOf(named);
}

/** All daemons; none where none runs. Fails where none answers and one may run. */
async function findAll(): Promise<Answers<DaemonStatus>> {
  try {
    return await findAnswers<DaemonStatus>(undefined, { command: 'status' });
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== EXIT.NO_DAEMON) throw error;
    return { found: [], failures: [], silent: [], nearSilent: [] };
  }
}

/** The answer of this daemon alone. */
export async function askFound<T extends Answerer>(
  { path, name }: FoundDaemon,
  request: ControlRequest,
): Promise<T> {
  const outcome = await askAt(path, request);
  const [answer] = answersIn<T>([outcome]);
  if (answer === undefined)
    throw noAnswer(name, [outcome], outcome instanceof CommandFailure ? [outcome] : []);
  return answer;
}

function several(name: string | undefined, found: readonly AnswerAt<Answerer>[]): CommandFailure {
  if (name === undefined) return severalDaemons(found.map(({ answer }) => answer));
  const paths = found.map(({ path }) => path).join(', ');
  const isApart = new Set(found.map(({ answer }) => answer.networkNamespace)).size > 1;
  const remedy = isApart ? 'ask in the network namespace of one' : 'start one of them with another --name';
  return failure(EXIT.USAGE, `several daemons named "${name}" are running (${paths}): ${remedy}`);
}

/** The exit status where these daemons have given no answer; undefined where all have. */
export function exitCodeOfSilent(silent: readonly CommandFailure[]): ExitCode | undefined {
  const late = silent.find(({ exitCode }) => exitCode === EXIT.TIMED_OUT);
  return (late ?? silent[0])?.exitCode;
}

function severalOfFile(file: string, found: readonly AnswerAt<Answerer>[]): CommandFailure {
  const names = found.map(({ answer }) => answer.name).join(', ');
  return failure(EXIT.USAGE, `several daemons run from ${file} (${names}): give the name of one`);
}

function isHere(): (found: AnswerAt<Answerer>) => boolean {
  const namespace = networkNamespace();
  return ({ answer }) => answer.networkNamespace === namespace;
}

function severalDaemons(answers: readonly Answerer[]): CommandFailure {
  const names = answers.map(({ name }) => name).join(', ');
  return failure(EXIT.USAGE, `several daemons are running (${names}): say which`);
}

/** Undefined where no daemon listens: the file is of one that was killed. */
type Outcome = ControlAnswer | CommandFailure | undefined;

function askAll(paths: readonly string[], request: ControlRequest, patienceMs?: number): Promise<Outcome[]> {
  return Promise.all(paths.map((path) => askAt(path, request, patienceMs)));
}

function answersIn<T>(outcomes: readonly Outcome[]): T[] {
  return outcomes.flatMap((outcome) => (isAnswer(outcome) && outcome.ok ? [outcome.result as T] : []));
}

/** Whether a control socket may be one of this network namespace. The files are shared by all. */
function isOfThisNamespace(): (path: string) => boolean {
  const names = boundNames();
  return (path) => names === undefined || names.has(basename(path));
}

function without(all: readonly string[], some: readonly string[]): string[] {
  return all.filter((one) => !some.includes(one));
}

function tell(failures: readonly CommandFailure[]): void {
  for (const { message } of failures) process.stderr.write(`${message}\n`);
}

function isAnswer(outcome: Outcome): outcome is ControlAnswer {
  return outcome !== undefined && !(outcome instanceof CommandFailure);
}

async function askAt(path: string, request: ControlRequest, patienceMs?: number): Promise<Outcome> {
  try {
    const answer = await ask(path, request, patienceMs === undefined ? {} : { timeoutMs: patienceMs });
    return answer.ok && !isAnswerer(answer.result) ? misunderstood(path) : answer;
  } catch (error) {
    const { code, message } = error as ControlError;
    return code === 'no-daemon' ? undefined : failure(STATUS_OF_CODE[code] ?? EXIT.FAILED, message);
  }
}

function isAnswerer(result: unknown): result is Answerer {
  if (typeof result !== 'object' || result === null) return false;
  const { name, networkNamespace } = result as Partial<Answerer>;
  return typeof name === 'string' && typeof networkNamespace === 'string';
}

/** Reads an answer. The daemon may be of another version, or another program: a field that is missing, or has another type, fails the command. */
export function reading<T>(daemon: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof TypeError ? misunderstood(daemon) : error;
  }
}

function misunderstood(daemon: string): CommandFailure {
  return failure(EXIT.FAILED, `the daemon ${daemon} gave an answer that this version does not understand`);
}

function cannotLook({ directory, fault }: HiddenFolder): CommandFailure {
  if (fault === 'unreadable')
    return failure(
      EXIT.NOT_PERMITTED,
      `not permitted to look for daemons in ${directory}: ask as its owner or as root`,
    );
  return failure(
    EXIT.FAILED,
    `${directory} belongs to another account, or others may write into it: daemons there are not asked`,
  );
}

const STATUS_OF_CODE: Readonly<Record<string, ExitCode>> = {
  'bad-configuration': EXIT.USAGE,
  'not-permitted': EXIT.NOT_PERMITTED,
  'timed-out': EXIT.TIMED_OUT,
};

/** Why there is no answer: the first that says most. */
function noAnswer(
  name: string | undefined,
  outcomes: readonly Outcome[],
  failures: readonly CommandFailure[],
): CommandFailure {
  if (failures.length > 0)
    return failure(failures[0]!.exitCode, failures.map(({ message }) => message).join('; '));
  for (const outcome of outcomes)
    if (isAnswer(outcome) && !outcome.ok)
      return new CommandFailure(
        STATUS_OF_CODE[outcome.code] ?? EXIT.FAILED,
        outcome.message,
        Array.isArray(outcome.details) ? outcome.details.map(String) : [],
      );
  return failure(
    EXIT.NO_DAEMON,
    name === undefined ? 'no teredo daemon is running here' : `no teredo daemon named "${name}" is running`,
  );
}

function failure(exitCode: ExitCode, message: string): CommandFailure {
  return new CommandFailure(exitCode, message);
}
