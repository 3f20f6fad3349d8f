import { ask, findSockets } from '../../daemon/control-client.ts';
import type { ControlAnswer, ControlRequest } from '../../daemon/control-protocol.ts';
import { networkNamespace } from '../../daemon/network-namespace.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';

/** What every answer tells of who gives it. */
interface Answerer {
  readonly name: string;
  readonly networkNamespace: string;
}

/**
 * The answer of the daemon of this name; without a name those of all that run in this network namespace and have one to
 * give, or of all on this machine where none runs in it. Fails where there is none.
 */
export async function askDaemons<T extends Answerer>(
  name: string | undefined,
  request: ControlRequest,
): Promise<T[]> {
  const answers: T[] = [];
  let refusal: string | undefined;
  const silent: string[] = [];
  for (const { path } of findSockets(name)) {
    const answer = await askAt(path, request);
    if (answer === undefined) continue;
    if (answer instanceof Error) {
      silent.push(answer.message);
      continue;
    }
    if (answer.ok) answers.push(answer.result as T);
    else refusal = answer.message;
  }
  if (answers.length === 0) {
    if (silent.length > 0) throw new CommandFailure(EXIT.TIMED_OUT, silent.join('; '));
    if (refusal !== undefined) throw new CommandFailure(EXIT.FAILED, refusal);
    throw new CommandFailure(
      EXIT.NO_DAEMON,
      name === undefined ? 'no teredo daemon is running here' : `no teredo daemon named "${name}" is running`,
    );
  }
  for (const message of silent) process.stderr.write(`${message}\n`);
  const here = networkNamespace();
  const local = answers.filter((answer) => answer.networkNamespace === here);
  return name !== undefined || local.length === 0 ? answers : local;
}

/** As {@link askDaemons}, but there must be just one that answers. */
export async function askOne<T extends Answerer>(
  name: string | undefined,
  request: ControlRequest,
): Promise<T> {
  const answers = await askDaemons<T>(name, request);
  if (answers.length > 1) {
    const names = answers.map((answer) => answer.name).join(', ');
    throw new CommandFailure(EXIT.USAGE, `several daemons are running (${names}): say which`);
  }
  return answers[0]!;
}

/** Undefined where nobody listens: what a killed daemon left behind is not a daemon. An Error where it listens, but does not answer. */
async function askAt(path: string, request: ControlRequest): Promise<ControlAnswer | Error | undefined> {
  try {
    return await ask(path, request);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') {
      throw new CommandFailure(
        EXIT.NOT_PERMITTED,
        `not permitted to open ${path}: ask as its owner or as root`,
      );
    }
    return code === undefined ? new Error(message) : undefined;
  }
}
