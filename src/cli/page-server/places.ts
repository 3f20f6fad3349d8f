import { randomFillSync } from 'node:crypto';
import type { Socket } from 'node:net';
import { Admission, givesWay } from '../../control/admission.ts';
import type { Caller } from '../../control/admission.ts';
import { SubordinateUids } from '../../control/subordinate-uids.ts';
import { SocketUsers } from '../../io/socket-user.ts';

const MOST = 32;
/** In place of a user and a process that are not known: the kernel does not say, or the connection has ended already. */
const [NO_USER, NO_PROCESS] = [-1, -1];

/**
 * The places of connections over TCP on this host. Every local user may connect: of the user with the most connections one gives way to a new one. Root
 * and this user give way to each other only.
 */
export class Places {
  private readonly open = new Map<Caller, Socket>();
  private readonly users = new SocketUsers();
  private readonly uids = new SubordinateUids();
  private readonly admission = new Admission({ fill: (target) => void randomFillSync(target) });

  /** Gives a new connection a place, or closes it. `now`: milliseconds. */
  take(socket: Socket, now: number): void {
    const caller = { uid: this.userOf(socket, now), pid: NO_PROCESS };
    if (!this.admission.admits(caller, now) || !this.makeRoom(caller)) {
      socket.resetAndDestroy(); // leaves nothing in the kernel
      return;
    }
    this.open.set(caller, socket);
    socket.once('close', () => this.open.delete(caller));
  }

  close(): void {
    this.users.close();
  }

  private makeRoom(newcomer: Caller): boolean {
    if (this.open.size < MOST) return true;
    const present = [...this.open.keys()];
    const leaves = present[givesWay(present, newcomer)];
    if (leaves === undefined) return false;
    this.open.get(leaves)!.resetAndDestroy();
    this.open.delete(leaves);
    return true;
  }

  private userOf(socket: Socket, now: number): number {
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) return NO_USER;
    if (localAddress === undefined || localPort === undefined) return NO_USER;
    const from = { address: remoteAddress, port: remotePort };
    const uid = this.users.uidOfTcp(from, { address: localAddress, port: localPort });
    return uid === undefined ? NO_USER : this.uids.ownerOf(uid, now);
  }
}
