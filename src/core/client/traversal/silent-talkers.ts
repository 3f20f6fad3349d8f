import type { PeerPath } from './peer-path.ts';

/** The peer's last packet came at least as long ago as the first, at most as long ago as the second. A slow answer of the server takes 4 s. */
const [SILENT_MS, MEMORY_MS] = [1_500, 10_000];
/** Peers that are taken at once. */
const MOST = 16;

/**
 * The peers whose packets have ended a moment ago, at most 16 of them. Each one is taken once after its last packet, so that two clients that take
 * each other exchange a few bubbles and no more: a bubble is no packet.
 */
export function* takeSilentTalkers(paths: Iterable<PeerPath>, now: number): Generator<number> {
  let left = MOST;
  for (const path of paths) {
    const silence = now - path.lastPacket;
    if (silence < SILENT_MS || silence > MEMORY_MS || path.takenAt > path.lastPacket) continue;
    if (left-- === 0) return;
    path.takenAt = now;
    yield path.peer;
  }
}
