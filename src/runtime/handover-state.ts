/**
 * The state that a relay leaves to its successor, a later process of the same role, perhaps of another version: a number of the layout, and
 * the trusted peers. The reader believes nothing of it.
 */
import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import { readPeers, writePeers } from './handover-peers.ts';

/** To be raised with each change of the layout: a successor that knows another one starts without peers. */
const LAYOUT = 1;
const HEADER = 4;

/** The trusted peers at the time `now`. */
export function writeHandover(peers: PeerTable, now: number): Uint8Array {
  const state = writePeers(HEADER, peers, now);
  new DataView(state.buffer).setUint32(0, LAYOUT);
  return state;
}

/** The peers in a state that was written at the time `writtenAt` on this process's clock; none if the layout is another one. */
export function* readHandover(state: Uint8Array, writtenAt: number): Generator<KnownPeer> {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return;
  yield* readPeers(state, HEADER, writtenAt);
}
