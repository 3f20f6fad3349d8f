import { rmSync } from 'node:fs';
import { isAlive } from '../../control/live-socket.ts';
import { TcpListener, closeConnection } from '../../io/stream-socket.ts';
import type { TcpPeer } from '../../io/stream-socket.ts';
import { UnixListener } from '../../io/unix-socket.ts';
import type { UnixPeer } from '../../io/unix-socket.ts';
import type { ProxyPlace } from '../../runtime/settings/proxy-place.ts';
import { parseIpv4, parseIpv6 } from '../../wire/index.ts';
import { sourceOf } from './admission.ts';

/** `source`: connections of one source share their places. */
export interface ProxyClient {
  readonly fd: number;
  readonly source: string;
}

export type Accepted = ProxyClient | 'none' | 'exhausted';

const OWNER_ONLY = 0o600;
const ROOT = 0;

/** The socket at which a proxy is asked. Without a password it serves its own user and root alone. */
export class ProxyListener {
  private readonly socket: TcpListener | UnixListener;
  private readonly path: string | undefined;
  private readonly isOpen: boolean;
  private readonly onUnknown: () => void;

  /** `isOpen`: clients give a password. `onUnknown`: the kernel does not name the user of a client, which is refused. */
  private constructor(
    socket: TcpListener | UnixListener,
    { path, isOpen, onUnknown }: { path?: string; isOpen: boolean; onUnknown: () => void },
  ) {
    this.socket = socket;
    this.path = path;
    this.isOpen = isOpen;
    this.onUnknown = onUnknown;
  }

  /** Rejects with the reason of the system. A file that a killed proxy has left behind is replaced. */
  static async open(place: ProxyPlace, isOpen: boolean, onUnknown: () => void): Promise<ProxyListener> {
    if (place.kind === 'tcp')
      return new ProxyListener(new TcpListener(octetsOf(place.host), place.port), { isOpen, onUnknown });
    const { path } = place;
    if (await isAlive(path)) throw new Error('another process listens there');
    rmSync(path, { force: true });
    return new ProxyListener(new UnixListener(path, OWNER_ONLY), { path, isOpen, onUnknown });
  }

  /** The TCP port. */
  get port(): number | undefined {
    return this.socket instanceof TcpListener ? this.socket.port : undefined;
  }

  accept(): Accepted {
    for (;;) {
      const peer = this.socket.accept();
      if (typeof peer === 'string') return peer;
      if (this.isServed(peer)) return { fd: peer.fd, source: sourceIn(peer) };
      closeConnection(peer.fd);
    }
  }

  wait(onWaiting: () => void): void {
    this.socket.wait(onWaiting);
  }

  close(): void {
    this.socket.close();
    if (this.path !== undefined) removeQuietly(this.path);
  }

  private isServed(peer: TcpPeer | UnixPeer): boolean {
    if (this.isOpen) return true;
    if (peer.uid === undefined) this.onUnknown();
    return peer.uid === process.geteuid?.() || peer.uid === ROOT;
  }
}

function sourceIn(peer: TcpPeer | UnixPeer): string {
  return peer.uid === undefined && 'address' in peer ? sourceOf(peer.address) : `user ${peer.uid}`;
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // its folder may not be changed any more
  }
}

function octetsOf(host: string): Uint8Array {
  const ipv4 = parseIpv4(host);
  if (ipv4 === undefined) return parseIpv6(host)!;
  return Uint8Array.of(ipv4 >>> 24, ipv4 >>> 16, ipv4 >>> 8, ipv4);
}
