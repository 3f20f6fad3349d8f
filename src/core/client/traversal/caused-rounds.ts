import { BUBBLE_BUDGET, BUBBLE_SPACING_MS, BUBBLE_WINDOW_MS } from '../../constants.ts';
import type { ClientContext } from '../context.ts';
import type { PeerPath, PeerPaths } from './peer-path.ts';

/**
 * Rounds of bubbles to a peer that packets in its name have caused, and not this host. Any host can send such packets, so these rounds have a
 * count of their own and take none of the rounds of this host: four in 300 s, 2 s apart and 2 s after one of this host. RFC 4380 section 5.2.6.
 * Only a packet that is no bubble gives four more: the peer sends bubbles in answer to ours, and so two clients would answer each other without
 * end. CL-93, CL-94
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
    const isSpaced = now - Math.max(this.context.peers.lastBubble.at(peer), last) >= BUBBLE_SPACING_MS;
    return isSpaced && this.isLeft(peer, now);
  }

  /** Whether fewer than four have gone out in the last 300 s since a packet came. */
  isLeft(peer: number, now: number): boolean {
    const path = this.paths.get(peer);
    return path === undefined || recent(path.causedRounds, path, now).length < BUBBLE_BUDGET; // CL-95
  }

  /** One goes out. */
  count(path: PeerPath, now: number): void {
    path.causedRounds = [...path.causedRounds, now].slice(-BUBBLE_BUDGET);
    this.context.peers.lastSent.set(path.peer, now); // the peer is not forgotten before the count is
  }

  /** Takes one from the budget of guesses that bubbles in the peer's name may begin, of the same size. False: nothing is left. */
  takeGuess(path: PeerPath, now: number): boolean {
    const guesses = recent(path.causedGuesses, path, now);
    if (guesses.length >= BUBBLE_BUDGET) return false;
    path.causedGuesses = [...guesses, now];
    this.context.peers.lastSent.set(path.peer, now);
    return true;
  }
}

function recent(times: readonly number[], { lastPacket }: PeerPath, now: number): number[] {
  return times.filter((at) => at > lastPacket && now - at < BUBBLE_WINDOW_MS);
}
