import { ask, findSockets } from '../../daemon/control-client.ts';
import type { ControlRequest } from '../../daemon/control-protocol.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';

/** Each running daemon's answer, or the one of this name. Fails where there is none. */
export async function askDaemons<T>(name: string | undefined, request: ControlRequest): Promise<T[]> {
  const answers: T[] = [];
  for (const { path } of findSockets(name)) {
    try {
      const answer = await ask(path, request);
      if (!answer.ok) throw new CommandFailure(EXIT.FAILED, answer.message);
      answers.push(answer.result as T);
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EACCES') {
        throw new CommandFailure(
          EXIT.NOT_PERMITTED,
          `not permitted to open ${path}: ask as its owner or as root`,
        );
      }
      // ECONNREFUSED, ENOENT: what a killed daemon left behind; it is not running, which is what is asked
      if (code === undefined) throw new CommandFailure(EXIT.TIMED_OUT, (error as Error).message);
    }
  }
  if (answers.length === 0) {
    throw new CommandFailure(
      EXIT.NO_DAEMON,
      name === undefined ? 'no teredo daemon is running here' : `no teredo daemon named "${name}" is running`,
    );
  }
  return answers;
}

/** The answer of the daemon of this name; without a name there must be just one that runs. */
export async function askOne<T extends { readonly name: string }>(
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
