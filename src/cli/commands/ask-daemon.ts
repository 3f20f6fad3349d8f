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
  for (const { path } of findSockets(name)) {
    const answer = await askAt(path, request);
    if (answer === undefined) continue;
    if (answer.ok) answers.push(answer.result as T);
    else refusal = answer.message;
  }
  if (answers.length === 0) {
    if (refusal !== undefined) throw new CommandFailure(EXIT.FAILED, refusal);
    throw new CommandFailure(
      EXIT.NO_DAEMON,
      name === undefined ? 'no teredo daemon is running here' : `no teredo daemon named "${name}" is running`,
    );
  }
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

/** Undefined where nobody listens: what a killed daemon left behind is not a daemon. */
async function askAt(path: string, request: ControlRequest): Promise<ControlAnswer | undefined> {
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
    if (code === undefined) throw new CommandFailure(EXIT.TIMED_OUT, message); // it listens, but does not answer
    return undefined;
  }
}
