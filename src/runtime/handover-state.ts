/**
 * The state that a role leaves to its successor, a later process of the same role, perhaps of another version: a number of the layout, and
 * the trusted peers. The reader believes nothing of it.
 */
import type { KnownPeer } from '../core/known-peer.ts';
import { TRUSTED } from '../core/peer-table.ts';
import type { PeerTable } from '../core/peer-table.ts';

/** To be raised with each change of the layout: a successor that knows another one starts without peers. */
const LAYOUT = 1;
const HEADER = 4;
/** Octets of a peer: Teredo address, mapped address and port, and how long ago (ms) it was last heard and sent to. */
const PEER = 32;
const [MAPPED_ADDRESS, MAPPED_PORT, HEARD, SENT] = [16, 20, 24, 28];
const NEVER = 0xffff_ffff;

/** The trusted peers at the time `now`. */
export function writeHandover(peers: PeerTable, now: number): Uint8Array {
  const state = new Uint8Array(HEADER + PEER * peers.trustedCount);
  const view = new DataView(state.buffer);
  view.setUint32(0, LAYOUT);
  let at = HEADER;
  for (const peer of peers) {
    if (peers.status[peer] !== TRUSTED) continue;
    peers.writeAddress(peer, state, at);
    view.setUint32(at + MAPPED_ADDRESS, peers.mappedAddress[peer]!);
    view.setUint16(at + MAPPED_PORT, peers.mappedPort[peer]!);
    view.setUint32(at + HEARD, ageOf(peers.lastReceived[peer]!, now));
    view.setUint32(at + SENT, ageOf(peers.lastSent[peer]!, now));
    at += PEER;
  }
  return state;
}

/** The peers in a state that was written at the time `writtenAt` on this process's clock; none if the layout is another one. */
export function* readHandover(state: Uint8Array, writtenAt: number): Generator<KnownPeer> {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return;
  for (let at = HEADER; at + PEER <= state.length; at += PEER) {
    yield {
      address: state.slice(at, at + 16),
      mappedAddress: view.getUint32(at + MAPPED_ADDRESS),
      mappedPort: view.getUint16(at + MAPPED_PORT),
      lastReceived: instantOf(view.getUint32(at + HEARD), writtenAt),
      lastSent: instantOf(view.getUint32(at + SENT), writtenAt),
    };
  }
}

function ageOf(instant: number, now: number): number {
  return Math.min(NEVER, Math.max(0, Math.round(now - instant)));
}

function instantOf(age: number, writtenAt: number): number {
  return age === NEVER ? -Infinity : writtenAt - age;
}
