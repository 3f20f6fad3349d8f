import { chmodSync, rmSync, rmdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { controlPath, makeControlDirectory } from './control-path.ts';
import { MAX_REQUEST_BYTES, parseRequest } from './control-protocol.ts';
import type { ControlAnswer, ControlRequest } from './control-protocol.ts';

const MAX_CONNECTIONS = 32;
/** A connection that has asked nothing for this long is closed. */
const IDLE_MS = 10_000;

export type ControlHandler = (request: ControlRequest) => ControlAnswer | Promise<ControlAnswer>;

/** A daemon's control socket. A file that a killed daemon left behind is taken over; a living one's is not. */
export class ControlServer {
  readonly path: string;
  readonly name: string;
  private readonly server: Server;
  private readonly directory: string;

  private constructor(server: Server, directory: string, name: string) {
    this.server = server;
    this.directory = directory;
    this.name = name;
    this.path = controlPath(directory, name);
  }

  /** Listens as `name`, or resolves to undefined where a living daemon has that name. */
  static async listen(
    directory: string,
    name: string,
    handler: ControlHandler,
  ): Promise<ControlServer | undefined> {
    makeControlDirectory(directory);
    const open = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      makeRoom(open);
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      serve(socket, handler);
    });
    const control = new ControlServer(server, directory, name);
    if (await isAlive(control.path)) return undefined;
    rmSync(control.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(control.path, resolve);
    });
    // Only looking is offered (status, peers), so every user may look.
    chmodSync(control.path, 0o666);
    server.unref();
    return control;
  }

  /** Ends, and removes the socket's file. */
  close(): void {
    this.server.close();
    rmSync(this.path, { force: true });
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

function serve(socket: Socket, handler: ControlHandler): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0) {
      if (text.length > MAX_REQUEST_BYTES) socket.destroy();
      return;
    }
    const request = parseRequest(text.slice(0, end));
    text = '';
    void answer(request, handler).then((result) => socket.end(`${JSON.stringify(result)}\n`));
  });
}

async function answer(request: ControlRequest | undefined, handler: ControlHandler): Promise<ControlAnswer> {
  if (request === undefined)
    return { ok: false, code: 'bad-request', message: 'not a request of this protocol' };
  return await handler(request);
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
