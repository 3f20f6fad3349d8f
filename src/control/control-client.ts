import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { ControlError, controlErrorOf } from './control-error.ts';
import { UNPRINTABLE, hasUnprintable } from '../runtime/settings/quoted.ts';
import { controlPath, controlSockets, searchDirectories } from './control-path.ts';
import type { ControlAnswer, ControlRequest } from './control-protocol.ts';

/** How long a daemon may take to answer before it counts as hanging. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A reload may have to look up names of servers. The daemon answers in less, and ends a connection after this time (connection.ts). */
const RELOAD_TIMEOUT_MS = 30_000;
/** When a connection is tried again. */
const CROWDED_MS = 20;
/** A daemon keeps a user that has asked too often out for 2 s (flooders.ts): so long it is asked again, and how often. */
const KEPT_OUT_MS = 2_500;
const KEPT_OUT_RETRY_MS = 100;
const OPEN_TO_ALL = 0o006;
/** How long the whole of an answer may take, and its length: a daemon with 100,000 peers sends some 40 MB in seconds. */
const WHOLE_TIMEOUT_MS = 60_000;
const ANSWER_MOST = 256 << 20;

export interface AskOptions {
  /** How long the whole answer may take; by default as long as the longest list does. */
  readonly timeoutMs?: number;
  /** A longer answer is cut off. */
  readonly mostCharacters?: number;
}

/**
 * Asks the daemon behind a control socket. Rejects with a ControlError where there is no answer. It tries again while more connections wait than the
 * kernel queues, and while the daemon keeps this user out.
 */
export async function ask(
  path: string,
  request: ControlRequest,
  options: AskOptions = {},
): Promise<ControlAnswer> {
  const begun = performance.now();
  for (;;) {
    let retryMs = CROWDED_MS;
    try {
      return await askOnce(path, request, options);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isKeptOut = code === 'EACCES' && isOpenToAll(path);
      if (code !== 'EAGAIN' && !isKeptOut) throw controlErrorOf(error, path);
      const past = performance.now() - begun;
      if (isKeptOut && past > KEPT_OUT_MS)
        throw new ControlError(
          'no-answer',
          `the daemon at ${path} is asked too often: try again (or a security module forbids it)`,
        );
      if (past > Math.min(ANSWER_TIMEOUT_MS, options.timeoutMs ?? Infinity)) throw timedOut(path);
      if (isKeptOut) retryMs = KEPT_OUT_RETRY_MS;
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

function timedOut(path: string): ControlError {
  return new ControlError('timed-out', `no answer from ${path}`);
}

/** By its permissions; the daemon's access control list can keep single users out. */
function isOpenToAll(path: string): boolean {
  try {
    return (statSync(path).mode & OPEN_TO_ALL) === OPEN_TO_ALL;
  } catch {
    return false; // a folder on the way is not for this user
  }
}

function askOnce(
  path: string,
  request: ControlRequest,
  { timeoutMs = WHOLE_TIMEOUT_MS, mostCharacters = ANSWER_MOST }: AskOptions,
): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const pieces: string[] = [];
    let length = 0;
    const giveUp = (): void => void socket.destroy(timedOut(path));
    socket.setTimeout(request.command === 'reload' ? RELOAD_TIMEOUT_MS : ANSWER_TIMEOUT_MS, giveUp);
    const whole = setTimeout(giveUp, timeoutMs);
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.end(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => {
      pieces.push(chunk);
      length += chunk.length;
      if (length > mostCharacters)
        socket.destroy(
          new ControlError('not-understood', `the answer of the daemon at ${path} does not end`),
        );
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Connected, and then hung up on: the end of it says so.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return;
      pieces.length = 0;
      reject(error);
    });
    socket.on('close', () => {
      clearTimeout(whole);
      const answer = parseAnswer(pieces.join(''));
      if (answer !== undefined) resolve(answer);
      else if (length === 0)
        reject(new ControlError('no-answer', `the daemon at ${path} ended without an answer`));
      else
        reject(
          new ControlError(
            'not-understood',
            `the daemon at ${path} gave an answer that is none of this protocol`,
          ),
        );
    });
  });
}

/** Undefined for a text that is no answer. */
function parseAnswer(text: string): ControlAnswer | undefined {
  const answer = parseForeign(text) as Partial<ControlAnswer> | null | undefined;
  if (answer?.ok === true) return 'result' in answer ? (answer as ControlAnswer) : undefined;
  const isRefusal =
    answer?.ok === false && typeof answer.message === 'string' && typeof answer.code === 'string';
  return isRefusal ? (answer as ControlAnswer) : undefined;
}

/**
 * The value in a text of JSON; undefined where it is none. The daemon may be another account's, and its answer goes to a terminal: unprintable
 * characters in it are replaced (U+FFFD).
 */
export function parseForeign(text: string): unknown {
  const isPlain = !/\\[bfnrtu]/.test(text) && !hasUnprintable(text.trim());
  try {
    return JSON.parse(text, isPlain ? undefined : clean);
  } catch {
    return undefined;
  }
}

/** A reviver for JSON. Names of fields are foreign text, too. */
function clean(_: string, value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value !== 'object' || value === null || !Object.keys(value).some(hasUnprintable)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [cleanText(name), field as unknown]),
  );
}

function cleanText(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\ufffd');
}

export interface FoundDaemon {
  readonly name: string;
  readonly path: string;
}

/** The control sockets of this name, or of any, those of dead daemons too; and the folders that cannot be read. */
export function findSockets(name?: string): {
  readonly sockets: readonly FoundDaemon[];
  readonly hidden: readonly HiddenFolder[];
} {
  const sockets: FoundDaemon[] = [];
  const hidden: HiddenFolder[] = [];
  for (const directory of searchDirectories()) {
    const { names, fault } = controlSockets(directory);
    if (fault !== undefined) hidden.push({ directory, fault });
    for (const found of names)
      if (name === undefined || found === name)
        sockets.push({ name: found, path: controlPath(directory, found) });
  }
  return { sockets, hidden };
}

export interface HiddenFolder {
  readonly directory: string;
  readonly fault: 'unreadable' | 'foreign';
}
