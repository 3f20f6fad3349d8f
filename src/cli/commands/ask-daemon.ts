import { NoAnswerError, ask, findSockets } from '../../daemon/control-client.ts';
import type { ControlAnswer, ControlRequest } from '../../daemon/control-protocol.ts';
import { networkNamespace } from '../../daemon/network-namespace.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';

/** What every answer tells of who gives it. */
interface Answerer {
  readonly name: string;
  readonly networkNamespace: string;
}

/**
 * The answer of the daemon of this name; without a name those of all that run in this network namespace and have one to
 * give, or of all on this machine where none runs in it. Those that give none hide no other: they are told on stderr.
 * Fails where there is none.
 */
export async function askDaemons<T extends Answerer>(
  name: string | undefined,
  request: ControlRequest,
): Promise<T[]> {
  const outcomes = await Promise.all(findSockets(name).map(({ path }) => askAt(path, request)));
  const failures = outcomes.filter((outcome) => outcome instanceof CommandFailure);
  const answers = outcomes.flatMap((outcome) =>
    isAnswer(outcome) && outcome.ok ? [outcome.result as T] : [],
  );
  if (answers.length === 0) throw nobody(name, outcomes, failures);
  for (const { message } of failures) process.stderr.write(`${message}\n`);
  const here = networkNamespace();
  const local = answers.filter((answer) => answer.networkNamespace === here);
  return name !== undefined || local.length === 0 ? answers : local;
}

/** As {@link askDaemons}, but there must be just one that answers; of several of this name the one in the first folder. */
export async function askOne<T extends Answerer>(
  name: string | undefined,
  request: ControlRequest,
): Promise<T> {
  const answers = await askDaemons<T>(name, request);
  if (name === undefined && answers.length > 1) {
    const names = answers.map((answer) => answer.name).join(', ');
    throw new CommandFailure(EXIT.USAGE, `several daemons are running (${names}): say which`);
  }
  return answers[0]!;
}

/** Undefined where nobody listens: what a killed daemon left behind is not a daemon. */
type Outcome = ControlAnswer | CommandFailure | undefined;

function isAnswer(outcome: Outcome): outcome is ControlAnswer {
  return outcome !== undefined && !(outcome instanceof CommandFailure);
}

async function askAt(path: string, request: ControlRequest): Promise<Outcome> {
  try {
    return await ask(path, request);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES')
      return failure(EXIT.NOT_PERMITTED, `not permitted to open ${path}: ask as its owner or as root`);
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return undefined;
    if (error instanceof NoAnswerError)
      return failure(error.timedOut ? EXIT.TIMED_OUT : EXIT.FAILED, message);
    return failure(EXIT.FAILED, `cannot ask the daemon at ${path}: ${message}`);
  }
}

/** Why there is no answer: the first that says most. */
function nobody(
  name: string | undefined,
  outcomes: readonly Outcome[],
  failures: readonly CommandFailure[],
): CommandFailure {
  if (failures.length > 0)
    return failure(failures[0]!.exitCode, failures.map(({ message }) => message).join('; '));
  for (const outcome of outcomes)
    if (isAnswer(outcome) && !outcome.ok) return failure(EXIT.FAILED, outcome.message);
  return failure(
    EXIT.NO_DAEMON,
    name === undefined ? 'no teredo daemon is running here' : `no teredo daemon named "${name}" is running`,
  );
}

function failure(exitCode: ExitCode, message: string): CommandFailure {
  return new CommandFailure(exitCode, message);
}
