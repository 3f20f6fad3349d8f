import { randomBetween } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';

/** Dynamic ports, RFC 6335 section 6: where nobody else has a service. */
const [FIRST_PORT, PORTS] = [49_152, 16_384];

/** Sockets besides that of the service port, each for one peer's sake, as many as the limit says. RFC 6081 section 5.4 */
export class SocketPool {
  private readonly context: ClientContext;
  /** By number, from {@link SOCKET.firstOfPeers} on. */
  private readonly owners: (number | undefined)[] = [];
  private count = 0;

  constructor(context: ClientContext) {
    this.context = context;
  }

  /** Whether there may be one for a peer that this host does not want to reach: half of them are for those that it does. */
  hasRoomForStranger(peer: number): boolean {
    if (this.count < this.context.limits.randomPorts / 2) return true;
    this.context.hits.ipv6('random-ports', this.context.peers.address(peer), 0);
    return false;
  }

  /** A new one for a peer, on a local port of that number, or any; 0 where there are as many as may be. */
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

  /** Where it is still this peer's. */
  close(peer: number, socket: SocketId): void {
    const at = socket - SOCKET.firstOfPeers;
    if (this.owners[at] !== peer) return;
    this.owners[at] = undefined;
    this.count--;
    this.context.commands.event({ type: 'socket-unwanted', socket });
  }

  /** Whose it is. */
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
