import { connect } from 'node:net';
import { controlNames, controlPath, searchDirectories } from './control-path.ts';
import type { ControlAnswer, ControlRequest } from './control-protocol.ts';

/** How long a daemon may take to answer before it counts as hanging. */
const ANSWER_TIMEOUT_MS = 5_000;
/** How long the whole of an answer may take, and its length: a daemon with 100,000 peers sends some 40 MB in seconds. */
const WHOLE_TIMEOUT_MS = 60_000;
const ANSWER_MOST = 256 << 20;

/** Whoever listens there has given no answer. */
export class NoAnswerError extends Error {
  readonly timedOut: boolean;

  constructor(message: string, timedOut: boolean) {
    super(message);
    this.name = 'NoAnswerError';
    this.timedOut = timedOut;
  }
}

/** Asks the daemon behind a control socket. Rejects with the system's error where nobody listens, else with a NoAnswerError. */
export function ask(path: string, request: ControlRequest): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    const giveUp = (): void => void socket.destroy(new NoAnswerError(`no answer from ${path}`, true));
    socket.setTimeout(ANSWER_TIMEOUT_MS, giveUp);
    const whole = setTimeout(giveUp, WHOLE_TIMEOUT_MS);
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.end(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > ANSWER_MOST) giveUp();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Connected, and then hung up on: the end of it says so.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => {
      clearTimeout(whole);
      try {
        resolve(JSON.parse(text) as ControlAnswer);
      } catch {
        reject(new NoAnswerError(`the daemon at ${path} ended without an answer`, false));
      }
    });
  });
}

export interface FoundDaemon {
  readonly name: string;
  readonly path: string;
}

/** The control sockets of this name, or of any, whether somebody listens there or not. */
export function findSockets(name?: string): FoundDaemon[] {
  return searchDirectories().flatMap((directory) =>
    controlNames(directory)
      .filter((found) => name === undefined || found === name)
      .map((found) => ({ name: found, path: controlPath(directory, found) })),
  );
}
