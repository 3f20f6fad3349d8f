import { chmodSync, rmSync, rmdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { noteSystemFailure } from '../io/system-failures.ts';
import { controlPath, isChosen, makeControlDirectory } from './control-path.ts';
import { MAX_REQUEST_BYTES, parseRequest } from './control-protocol.ts';
import type { ControlAnswer, ControlRequest } from './control-protocol.ts';
import { Turns } from './turns.ts';

const MAX_CONNECTIONS = 32;
/** How long a connection has for its question, and then for taking the answer. */
const ASK_MS = 10_000;
const ANSWER_MS = 30_000;
/** Who listens takes a connection at once, or is too busy for it. */
const ALIVE_MS = 2_000;
/** How long pieces of a list are made at a time. */
const PIECE_MS = 2;

/** An answer whose result ends in a list that is made bit by bit: too long for one go. */
export interface ListAnswer {
  readonly ok: true;
  /** All but the list. */
  readonly result: object;
  /** What the list is called there. */
  readonly list: string;
  readonly items: Iterable<unknown>;
}

export type ControlHandler = (request: ControlRequest) => ControlAnswer | ListAnswer;

/** A daemon's control socket. A file that a killed daemon left behind is taken over; a living one's is not. */
export class ControlServer {
  readonly path: string;
  readonly name: string;
  private readonly server: Server;
  private readonly open: ReadonlySet<Socket>;
  private readonly turns: Turns;
  private readonly directory: string;
  private readonly removesDirectory: boolean;

  private constructor(
    server: Server,
    open: ReadonlySet<Socket>,
    turns: Turns,
    directory: string,
    name: string,
  ) {
    this.server = server;
    this.open = open;
    this.turns = turns;
    this.directory = directory;
    this.removesDirectory = makeControlDirectory(directory) || !isChosen(directory);
    this.name = name;
    this.path = controlPath(directory, name);
  }

  /** Listens as `name`, or resolves to undefined where a living daemon has that name. `log` gets a line for what fails here. */
  static async listen(
    directory: string,
    name: string,
    handler: ControlHandler,
    log: (line: string) => void = () => {},
  ): Promise<ControlServer | undefined> {
    const open = new Set<Socket>();
    const turns = new Turns();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      makeRoom(open);
      open.add(socket);
      socket.on('close', () => {
        open.delete(socket);
        turns.leave(socket);
      });
      receive(socket, (line) => {
        reply(socket, parseRequest(line), handler, turns, log).catch((error: unknown) => {
          log(`control socket: ${messageOf(error)}`);
          socket.destroy();
        });
      });
    });
    const control = new ControlServer(server, open, turns, directory, name);
    if (await isAlive(control.path)) return undefined;
    rmSync(control.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(control.path, resolve);
    });
    // Without descriptors no connection is taken; who asks later gets an answer.
    server.on('error', noteSystemFailure);
    // Only looking is offered (status, peers), so every user may look.
    chmodSync(control.path, 0o666);
    server.unref();
    return control;
  }

  get connectionCount(): number {
    return this.open.size;
  }

  /** Questions, and further pieces of answers, that wait for their turn. */
  get waitingCount(): number {
    return this.turns.waitingCount;
  }

  /** Ends, whoever is still connected, and removes the socket's file; the folder too, unless it is somebody's own. */
  close(): void {
    this.server.close();
    for (const socket of this.open) socket.destroy();
    rmSync(this.path, { force: true });
    if (!this.removesDirectory) return;
    try {
      rmdirSync(this.directory);
    } catch {
      // others still have their sockets in it
    }
  }
}

/** Who asks at once is answered at once; who keeps connections open loses the oldest, and hides nobody's daemon. */
function makeRoom(open: Set<Socket>): void {
  if (open.size < MAX_CONNECTIONS) return;
  const [oldest] = open;
  open.delete(oldest!);
  oldest!.destroy();
}

/** Waits for the one line that a connection may ask. */
function receive(socket: Socket, onLine: (line: string) => void): void {
  let text = '';
  let deadline = setTimeout(() => socket.destroy(), ASK_MS);
  socket.on('close', () => clearTimeout(deadline));
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  const onData = (chunk: string): void => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0) {
      if (text.length > MAX_REQUEST_BYTES) socket.destroy();
      return;
    }
    socket.off('data', onData).resume(); // what comes behind it is nobody's concern
    clearTimeout(deadline);
    deadline = setTimeout(() => socket.destroy(), ANSWER_MS);
    onLine(text.slice(0, end));
  };
  socket.on('data', onData);
}

async function reply(
  socket: Socket,
  request: ControlRequest | undefined,
  handler: ControlHandler,
  turns: Turns,
  log: (line: string) => void,
): Promise<void> {
  const answer = await turns.take(socket, () =>
    socket.destroyed ? undefined : answerTo(request, handler, log),
  );
  if (answer === undefined) return;
  if (!isList(answer)) {
    socket.end(`${JSON.stringify(answer)}\n`);
    return;
  }
  const { ok, result, list, items } = answer;
  const whole = JSON.stringify({ ok, result: { ...result, [list]: [] } });
  const tail = ']}}';
  let text = whole.slice(0, -tail.length);
  let separator = '';
  const left = items[Symbol.iterator]();
  for (let done = false; !done && !socket.destroyed; text = '') {
    await turns.take(socket, () => {
      const begun = performance.now();
      while (!done && performance.now() - begun < PIECE_MS) {
        const next = left.next();
        if (next.done === true) {
          done = true;
        } else {
          text += separator + JSON.stringify(next.value);
          separator = ',';
        }
      }
    });
    // Called back once it is written, or cannot be.
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  }
  socket.end(`${tail}\n`);
}

function isList(answer: ControlAnswer | ListAnswer): answer is ListAnswer {
  return 'items' in answer;
}

function answerTo(
  request: ControlRequest | undefined,
  handler: ControlHandler,
  log: (line: string) => void,
): ControlAnswer | ListAnswer {
  if (request === undefined)
    return { ok: false, code: 'bad-request', message: 'not a request of this protocol' };
  try {
    return handler(request);
  } catch (error) {
    log(`control socket: cannot answer "${request.command}": ${messageOf(error)}`);
    return {
      ok: false,
      code: 'internal',
      message: `the daemon failed to answer: ${messageOf(error)}`,
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether somebody listens there: who is too busy to take a connection does. Rejects where that is not for us to find out. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setTimeout(ALIVE_MS, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM') reject(error);
      else resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
