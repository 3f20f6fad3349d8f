import { BUBBLE_BUDGET, BUBBLE_SPACING_MS, BUBBLE_WINDOW_MS } from '../../constants.ts';
import type { ClientContext } from '../context.ts';
import type { PeerPath, PeerPaths } from './peer-path.ts';

/**
 * Rounds of bubbles to a peer that packets in its name have caused, and not this host. Any host can send such packets, so these rounds have a
 * count of their own and take none of the rounds of this host: four in 300 s, 2 s apart and 2 s after one of this host. RFC 4380 section 5.2.6.
 * CL-93, CL-94
 */
export class CausedRounds {
  private readonly context: ClientContext;
  private readonly paths: PeerPaths;

  constructor(context: ClientContext, paths: PeerPaths) {
    this.context = context;
    this.paths = paths;
  }

  /** Whether another one may go out now. */
  isDue(peer: number, now: number): boolean {
    const last = this.paths.get(peer)?.causedRounds.at(-1) ?? -Infinity;
    const isSpaced = now - Math.max(this.context.peers.lastBubble[peer]!, last) >= BUBBLE_SPACING_MS;
    return isSpaced && this.isLeft(peer, now);
  }

  /** Whether fewer than four have gone unanswered in the last 300 s. */
  isLeft(peer: number, now: number): boolean {
    const heardAt = this.context.peers.lastReceived[peer]!; // CL-95
    const times = this.paths.get(peer)?.causedRounds ?? [];
    return times.filter((at) => at > heardAt && now - at < BUBBLE_WINDOW_MS).length < BUBBLE_BUDGET;
  }

  /** One goes out. */
  count(path: PeerPath, now: number): void {
    path.causedRounds = [...path.causedRounds, now].slice(-BUBBLE_BUDGET);
    this.context.peers.lastSent[path.peer] = now; // the peer is not forgotten before the count is
  }
}
