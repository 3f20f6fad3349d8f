import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { PeerStatus, RoleStatus, UsersStatus } from '../../src/control/status.ts';

const SECOND_MS = 1_000;

/** A daemon that gives prepared answers at its control socket: in the control protocol and over HTTP. */
export class StandInDaemon {
  status: RoleStatus;
  peers: () => readonly PeerStatus[] = () => [];
  users: UsersStatus | undefined;
  readonly log: object[] = [];
  private readonly server: Server;

  private constructor(status: RoleStatus) {
    this.status = status;
    this.server = createServer((request, response) => this.answer(request, response));
    // A line of the control protocol is a fault of HTTP.
    this.server.on('clientError', (_, socket) =>
      socket.end(JSON.stringify({ ok: true, result: this.status })),
    );
  }

  static async start(folder: string, status: RoleStatus): Promise<StandInDaemon> {
    const daemon = new StandInDaemon(status);
    daemon.server.listen(join(folder, `${status.name}.sock`));
    await once(daemon.server, 'listening');
    return daemon;
  }

  end(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private answer({ url = '' }: IncomingMessage, response: ServerResponse): void {
    const [path] = url.split('?', 1);
    const answer = path === '/events' ? undefined : this.answerTo(path!);
    if (path === '/events') this.stream(response);
    else if (answer !== undefined) json(response, answer);
    else json(response, { ok: false, code: 'not-found', message: 'not here' }, 404);
  }

  private answerTo(path: string): object | undefined {
    if (path === '/api/v1/status') return this.status;
    if (path === '/api/v1/users') return this.users ?? this.noUsers();
    if (path !== '/api/v1/peers') return undefined;
    const { version, name, networkNamespace } = this.status;
    const peers = this.peers();
    return { version, name, networkNamespace, total: peers.length, peers };
  }

  private noUsers(): UsersStatus {
    const { version, name, networkNamespace } = this.status;
    const missed = { exact: true, totalBytes: 0, missedPeerBytes: 0, missedPrefixBytes: 0 };
    return {
      ...{ version, name, networkNamespace, ...missed },
      ...{ window: 'minute', windowSeconds: 60, peers: [], prefixes: [] },
    };
  }

  private stream(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const line of this.log) response.write(`event: log\ndata: ${JSON.stringify(line)}\n\n`);
    const say = (): void => void response.write(`event: status\ndata: ${JSON.stringify(this.status)}\n\n`);
    say();
    const timer = setInterval(say, SECOND_MS);
    response.on('close', () => clearInterval(timer));
  }
}

function json(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}
