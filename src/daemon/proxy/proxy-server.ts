import { Socket } from 'node:net';
import type { ProxyClient, ProxyListener } from './listener.ts';
import { closeConnection } from '../../io/stream-socket.ts';
import { Admission } from './admission.ts';
import { serveClient } from './serve-client.ts';
import type { ProxyParts } from './serve-client.ts';

/** Clients at the same time. */
export const MOST_CLIENTS = 2_048;
/** Other work gets its turn after this time of accepting, and four times as much where some were refused. */
const [TURN_MS, REST] = [5, 4];
/** The time until the next attempt to accept, when the system has no free descriptor. */
const AGAIN_MS = 100;

/** Accepts the clients of a proxy. */
export class ProxyServer {
  private readonly listener: Pick<ProxyListener, 'accept' | 'wait' | 'close'>;
  private readonly parts: ProxyParts;
  private readonly places: Admission;
  private readonly clients = new Set<Socket>();
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    listener: Pick<ProxyListener, 'accept' | 'wait' | 'close'>,
    parts: ProxyParts,
    mostClients = MOST_CLIENTS,
  ) {
    this.listener = listener;
    this.parts = parts;
    this.places = new Admission({ most: mostClients });
    this.acceptAll();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.again);
    this.listener.close();
    for (const client of this.clients) client.destroy();
  }

  /** A flood of clients that are not served takes a fifth of the time at most: others wait in the kernel's queue. */
  private acceptAll(): void {
    if (this.closed) return;
    const begun = performance.now();
    let [spent, refused] = [0, 0];
    while (spent < TURN_MS) {
      const accepted = this.listener.accept();
      if (accepted === 'none' && refused === 0) return this.listener.wait(() => this.acceptAll());
      if (accepted === 'exhausted') return this.later(AGAIN_MS);
      if (accepted === 'none') break;
      if (accepted === 'refused' || !this.admit(accepted)) refused++;
      spent = performance.now() - begun;
    }
    this.later(refused > 0 ? REST * spent : 0);
  }

  private later(ms: number): void {
    this.again = setTimeout(() => this.acceptAll(), ms);
  }

  private admit({ fd, source }: ProxyClient): boolean {
    const client = socketOf(fd);
    if (client === undefined) return false;
    const place = this.places.admit(source, () => client.destroy());
    if (place === undefined) {
      client.destroy();
      return false;
    }
    const { clients } = this;
    clients.add(client);
    client.on('close', () => clients.delete(client));
    void serveClient(client, source, this.parts, place.confirm).finally(place.leave);
    return true;
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
