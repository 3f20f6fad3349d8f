import type { PeerTable } from './peer-table.ts';

/** Peers of each pool that are looked at in one turn: without a packet that waits for longer than some milliseconds. */
const SWEPT_AT_ONCE = 500;
/** All peers are looked at in this time, but not more than 10,000 in a second. */
const ROUND_MS = 10_000;
const LEAST_PAUSE_MS = 50;

/** Removes some of the peers that are no longer used. Returns the time (ms) until the next part is due; `Infinity`: there is no peer. */
export function sweepSome(peers: PeerTable, now: number): number {
  peers.sweep(now, SWEPT_AT_ONCE);
  const most = Math.max(peers.trustedCount, peers.unverifiedCount);
  if (most === 0) return Infinity;
  return Math.max(LEAST_PAUSE_MS, Math.min(ROUND_MS, (ROUND_MS * SWEPT_AT_ONCE) / most));
}

/** The time (ms) from the first peer to the first part. */
export const FIRST_SWEEP_MS = ROUND_MS;
