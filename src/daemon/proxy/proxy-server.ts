import { Socket } from 'node:net';
import type { Accepted, ProxyClient, ProxyListener } from './listener.ts';
import { closeConnection } from '../../io/stream-socket.ts';
import { Admission } from './admission.ts';
import { serveClient } from './serve-client.ts';
import type { ProxyParts } from './serve-client.ts';

/** Clients at the same time. */
export const MOST_CLIENTS = 2_048;
/** Connections that are accepted before other work gets its turn. */
const AT_ONCE = 64;
/** The time until the next attempt to accept, when the system has no free descriptor. */
const AGAIN_MS = 100;

/** Accepts the clients of a proxy. */
export class ProxyServer {
  private readonly listener: ProxyListener;
  private readonly parts: ProxyParts;
  private readonly places: Admission;
  private readonly clients = new Set<Socket>();
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(listener: ProxyListener, parts: ProxyParts, mostClients = MOST_CLIENTS) {
    this.listener = listener;
    this.parts = parts;
    this.places = new Admission(mostClients);
    this.acceptAll();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.again);
    this.listener.close();
    for (const client of this.clients) client.destroy();
  }

  private acceptAll(): void {
    if (this.closed) return;
    let accepted: Accepted = 'none';
    for (let i = 0; i < AT_ONCE; i++) {
      accepted = this.listener.accept();
      if (typeof accepted === 'string') break;
      this.admit(accepted);
    }
    if (accepted === 'none') this.listener.wait(() => this.acceptAll());
    else this.again = setTimeout(() => this.acceptAll(), accepted === 'exhausted' ? AGAIN_MS : 0);
  }

  private admit({ fd, source }: ProxyClient): void {
    const client = socketOf(fd);
    if (client === undefined) return;
    const place = this.places.admit(source, () => client.destroy());
    if (place === undefined) return void client.destroy();
    const { clients } = this;
    clients.add(client);
    client.on('close', () => clients.delete(client));
    void serveClient(client, this.parts).finally(place.leave);
  }
}

/** Undefined: the system refuses to watch the descriptor, which is closed. */
function socketOf(fd: number): Socket | undefined {
  try {
    return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  } catch {
    closeConnection(fd);
    return undefined;
  }
}
