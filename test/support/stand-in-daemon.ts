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
    this.server.on('clientError', ({ rawPacket }: Error & { rawPacket?: Buffer }, socket) => {
      const { command } = JSON.parse(String(rawPacket)) as { command: string };
      const peers = command === 'peers' ? this.peers() : [];
      const results: Record<string, object | undefined> = {
        peers: { ...this.common(), total: peers.length, peers },
        users: this.users,
      };
      const result = results[command] ?? this.status;
      socket.end(JSON.stringify({ ok: true, result }));
    });
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
    if (url === '/events') this.stream(response);
    else json(response, { ok: false, code: 'not-found', message: 'not here' }, 404);
  }

  private common(): object {
    const { version, name, networkNamespace } = this.status;
    return { version, name, networkNamespace };
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
