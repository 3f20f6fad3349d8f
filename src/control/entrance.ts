import { randomFillSync } from 'node:crypto';
import { HashKey } from '../core/hash.ts';
import { ConnectionLimit } from '../io/connection-limit.ts';
import { TcpListener, abortConnection, closeConnection, sendTo } from '../io/stream-socket.ts';
import type { TcpPeer } from '../io/stream-socket.ts';
import { UnixListener } from '../io/unix-socket.ts';
import type { UnixPeer } from '../io/unix-socket.ts';
import type { Caller } from './admission.ts';
import { isMaster } from './admission.ts';
import { answerLine } from './control-protocol.ts';
import { shortAnswer } from './http-head.ts';
import type { SubordinateUids } from './subordinate-uids.ts';
import { TcpFlood } from './tcp-flood.ts';

/** In place of a process that is not known. */
const NO_PROCESS = -1;

/** The other end of a connection that has just been accepted. */
export interface Newcomer extends Caller {
  readonly fd: number;
  /** The user's own id; {@link uid} may be that of its owner. Both are below 0 for the address of another host. */
  readonly ownUid: number;
  /** By its own id. */
  readonly isMaster: boolean;
  /** Came by the control socket: speaks the control protocol, or HTTP. */
  readonly isControl: boolean;
}

/** A way in: the control socket, or a TCP socket for HTTP only. */
export interface Entrance {
  /** The next connection. `now`: milliseconds. */
  accept(now: number): Newcomer | 'none' | 'exhausted';
  wait(onWaiting: () => void): void;
  /** Closes the connection of a newcomer that asks too often; `inWords`: and says so. `now`: milliseconds. */
  refuse(newcomer: Newcomer, inWords: boolean, now: number): void;
  close(): void;
}

const BUSY = answerLine({
  ok: false,
  code: 'busy',
  message: 'this user asks the daemon too often: try again',
});

/** All ids of one user count as that user. */
export class ControlEntrance implements Entrance {
  private readonly listener: UnixListener;
  private readonly uids: SubordinateUids;

  constructor(path: string, mode: number, uids: SubordinateUids) {
    this.listener = new UnixListener(path, mode);
    this.uids = uids;
  }

  accept(now: number): Newcomer | 'none' | 'exhausted' {
    const peer = this.listener.accept();
    return typeof peer === 'string' ? peer : newcomerOf(peer, this.uids, now, true);
  }

  wait(onWaiting: () => void): void {
    this.listener.wait(onWaiting);
  }

  refuse({ fd }: Newcomer, inWords: boolean): void {
    if (inWords) sendTo(fd, BUSY);
    closeConnection(fd);
  }

  close(): void {
    this.listener.close();
  }
}

/** Connections of processes on this host count for their users, others for their addresses. */
export class TcpEntrance implements Entrance {
  private readonly listener: TcpListener;
  private readonly uids: SubordinateUids;
  private readonly hash = new HashKey({ fill: (target) => void randomFillSync(target) });
  private readonly flood: TcpFlood;

  /** `log` gets a line where the kernel drops connections. */
  constructor(address: Uint8Array, port: number, uids: SubordinateUids, log: (line: string) => void) {
    this.listener = new TcpListener(address, port);
    this.uids = uids;
    this.flood = new TcpFlood(new ConnectionLimit(address, this.port), log);
  }

  get port(): number {
    return this.listener.port;
  }

  accept(now: number): Newcomer | 'none' | 'exhausted' {
    const peer = this.listener.accept();
    if (typeof peer === 'string') return peer;
    const uid = peer.uid ?? this.numberOf(peer);
    return newcomerOf({ fd: peer.fd, uid, pid: NO_PROCESS }, this.uids, now, false);
  }

  wait(onWaiting: () => void): void {
    this.listener.wait(onWaiting);
  }

  refuse({ fd }: Newcomer, inWords: boolean, now: number): void {
    this.flood.note(now);
    if (!inWords) {
      abortConnection(fd);
      return;
    }
    sendTo(fd, shortAnswer(503, 'Asked Too Often'));
    closeConnection(fd);
  }

  close(): void {
    this.flood.close();
    this.listener.close();
  }

  /** Below 0. Of an IPv6 address the /64 counts. */
  private numberOf({ address }: TcpPeer): number {
    const octets = new DataView(address.buffer, address.byteOffset, address.length);
    if (address.length === 4) return -2 - octets.getUint32(0);
    return address.length === 0 ? -1 : -2 - this.hash.of2(octets.getUint32(0), octets.getUint32(4));
  }
}

function newcomerOf(
  { fd, uid, pid }: UnixPeer,
  uids: SubordinateUids,
  now: number,
  isControl: boolean,
): Newcomer {
  return { fd, uid: uids.ownerOf(uid, now), pid, ownUid: uid, isMaster: isMaster({ uid, pid }), isControl };
}
