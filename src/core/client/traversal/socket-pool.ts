import { randomBetween } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';

/** Dynamic ports, RFC 6335 section 6: no other service is registered there. */
const [FIRST_PORT, PORTS] = [49_152, 16_384];

/** The sockets in addition to that of the service port, each for one peer, as many as the limit says. RFC 6081 section 5.4 */
export class SocketPool {
  private readonly context: ClientContext;
  /** By socket, from {@link SOCKET.firstOfPeers} on. */
  private readonly owners: (number | undefined)[] = [];
  private count = 0;

  constructor(context: ClientContext) {
    this.context = context;
  }

  /** How many may still be opened. Half of all are kept for peers that this host wants. */
  roomFor(isWanted: boolean): number {
    const most = this.context.limits.randomPorts;
    return Math.max(0, (isWanted ? most : Math.ceil(most / 2)) - this.count);
  }

  /** Whether a peer that this host does not want may have one. */
  hasRoomForStranger(peer: number): boolean {
    if (this.roomFor(false) > 0) return true;
    this.context.hits.ipv6('random-ports', this.context.peers.address(peer), 0);
    return false;
  }

  /** A new one for a peer, on this local port, or any; 0 if the limit is reached. */
  open(peer: number, port?: number): SocketId {
    let at = this.owners.indexOf(undefined);
    if (at < 0) at = this.owners.length;
    if (at >= this.context.limits.randomPorts) {
      this.context.hits.ipv6('random-ports', this.context.peers.address(peer), 0);
      return 0;
    }
    this.owners[at] = peer;
    this.count++;
    const socket = SOCKET.firstOfPeers + at;
    const event = { type: 'socket-wanted', socket } as const;
    this.context.commands.event(port === undefined ? event : { ...event, port });
    return socket;
  }

  /** Closes the socket if it still belongs to this peer. */
  close(peer: number, socket: SocketId): void {
    const at = socket - SOCKET.firstOfPeers;
    if (this.owners[at] !== peer) return;
    this.owners[at] = undefined;
    this.count--;
    const { peers, offload } = this.context;
    if (peers.socket[peer] === socket) offload.withdraw(peer);
    this.context.commands.event({ type: 'socket-unwanted', socket });
  }

  /** The peer to which a socket belongs. */
  ownerOf(socket: SocketId): number | undefined {
    return this.owners[socket - SOCKET.firstOfPeers];
  }

  /** A local port that is likely to be free. */
  pick(): number {
    const { entropy, servicePort } = this.context;
    const port = FIRST_PORT + Math.floor(randomBetween(entropy, 0, PORTS));
    return port === servicePort ? this.pick() : port;
  }
}
