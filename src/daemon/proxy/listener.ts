import { rmSync } from 'node:fs';
import { isAlive } from '../../control/live-socket.ts';
import { TcpListener, abortConnection } from '../../io/stream-socket.ts';
import type { TcpPeer } from '../../io/stream-socket.ts';
import { UnixListener } from '../../io/unix-socket.ts';
import type { UnixPeer } from '../../io/unix-socket.ts';
import type { ProxyPlace } from '../../runtime/settings/proxy-place.ts';
import { parseIpv4, parseIpv6 } from '../../wire/index.ts';
import { sourceOf, sourceOfUser } from './source-path.ts';
import type { SourcePath } from './source-path.ts';
import { kernelNamesUsers } from './user-names.ts';

/** `source`: connections of one source share their places. */
export interface ProxyClient {
  readonly fd: number;
  readonly source: SourcePath;
}

/** `refused`: a client that is not served, whose connection is closed. */
export type Accepted = ProxyClient | 'refused' | 'none' | 'exhausted';

const OWNER_ONLY = 0o600;
const ROOT = 0;
const NO_NAMES =
  'the kernel does not name the users of connections (inet_diag): use "--listen unix:PATH", or --user and --password-file';

/** The socket at which a proxy is asked. Without a password it serves its own user and root alone. */
export class ProxyListener {
  private readonly socket: TcpListener | UnixListener;
  private readonly path: string | undefined;
  private readonly isOpen: boolean;
  private closed = false;

  /** `isOpen`: clients give a password. */
  private constructor(socket: TcpListener | UnixListener, isOpen: boolean, path?: string) {
    this.socket = socket;
    this.isOpen = isOpen;
    this.path = path;
  }

  /** Rejects with the reason of the system. A file that a killed proxy has left behind is replaced. */
  static async open(place: ProxyPlace, isOpen: boolean): Promise<ProxyListener> {
    if (place.kind === 'tcp') {
      if (!isOpen && !(await kernelNamesUsers())) throw new Error(NO_NAMES);
      return new ProxyListener(new TcpListener(octetsOf(place.host), place.port), isOpen);
    }
    const { path } = place;
    if (await isAlive(path)) throw new Error('another process listens there');
    rmSync(path, { force: true });
    return new ProxyListener(new UnixListener(path, OWNER_ONLY), isOpen, path);
  }

  /** The TCP port. */
  get port(): number | undefined {
    return this.socket instanceof TcpListener ? this.socket.port : undefined;
  }

  accept(): Accepted {
    const peer = this.socket.accept();
    if (typeof peer === 'string') return peer;
    if (this.isServed(peer)) return { fd: peer.fd, source: sourceIn(peer) };
    abortConnection(peer.fd);
    return 'refused';
  }

  wait(onWaiting: () => void): void {
    this.socket.wait(onWaiting);
  }

  /** Harmless when repeated. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
    if (this.path !== undefined) removeQuietly(this.path);
  }

  private isServed(peer: TcpPeer | UnixPeer): boolean {
    return this.isOpen || isUserServed(peer.uid);
  }
}

/** Whether a proxy without a password serves this user: its own, and root. */
export function isUserServed(uid: number | undefined): boolean {
  return uid !== undefined && (uid === process.geteuid?.() || uid === ROOT);
}

function sourceIn(peer: TcpPeer | UnixPeer): SourcePath {
  return peer.uid === undefined && 'address' in peer ? sourceOf(peer.address) : sourceOfUser(peer.uid);
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
