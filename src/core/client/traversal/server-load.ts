import { PEER_VALIDITY_MS } from '../../constants.ts';
import { TRUSTED } from '../../peer-table.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { PeerPaths } from './peer-paths.ts';

/** RFC 6081 section 5.7.2: with the third solicitation, 4 s after the first, the servers are asked too. */
const ALONE = 2;

/**
 * Server Load Reduction (RFC 6081 section 5.7): a peer with whom nothing was exchanged for 30 s is asked directly whether it is still
 * there, and by way of its server only if it does not answer. Solicitations at 0, 2 and 4 s; an indirect bubble at 4 s.
 */
export class ServerLoadReduction {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly paths: PeerPaths;
  private readonly asked = new Set<number>();

  constructor(context: ClientContext, bubbles: Bubbles, paths: PeerPaths) {
    this.context = context;
    this.bubbles = bubbles;
    this.paths = paths;
  }

  /** This attempt's solicitation, where there is to be one; whether that is enough. E-110, E-111 */
  solicit(peer: number, target: Uint8Array, attempt: number, now: number): boolean {
    if (attempt === 1) {
      if (this.isIdle(peer, now)) this.asked.add(peer);
      else this.asked.delete(peer);
    }
    if (!this.asked.has(peer)) return false;
    const { peers } = this.context;
    const place = { address: peers.mappedAddress[peer]!, port: peers.mappedPort[peer]! };
    // Our NAT may have forgotten the mapping that the peer knows: the nonce still shows who we are.
    const nonce = this.context.qualified!.symmetric ? (this.paths.get(peer)?.nonceReceived ?? 0) : 0;
    const trailers = { nonce, neighborDiscovery: 'solicitation' } as const;
    this.bubbles.sendDirect(target, place, trailers, true, now, peers.socket[peer]);
    if (attempt <= ALONE) return true;
    this.asked.delete(peer);
    return false;
  }

  /** Answers a solicitation from where the peer is; advertisements are never answered. E-112, E-113 */
  advertise(peer: number, now: number): void {
    const { peers } = this.context;
    const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
    const trailers = { neighborDiscovery: 'advertisement' } as const;
    this.bubbles.reply(peers.address(peer), 0, address, port, now, trailers, peers.socket[peer]);
  }

  /** The peer is heard, or forgotten. */
  drop(peer: number): void {
    this.asked.delete(peer);
  }

  /** Known to be where it is, and nothing has passed since for so long that it has to be found anew. */
  private isIdle(peer: number, now: number): boolean {
    const { peers } = this.context;
    const last = Math.max(peers.lastReceived[peer]!, peers.lastSent[peer]!);
    return peers.status[peer] === TRUSTED && now - last >= PEER_VALIDITY_MS;
  }
}
