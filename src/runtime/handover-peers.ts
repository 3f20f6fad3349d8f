/** Trusted peers in the state that a role leaves to its successor. */
import type { KnownPeer } from '../core/known-peer.ts';
import { TRUSTED } from '../core/peer-table.ts';
import type { PeerTable } from '../core/peer-table.ts';

/** Octets of a peer: IPv6 address, mapped address and port, marks, and how long ago (ms) it was last heard and sent to. */
export const PEER = 32;
const [MAPPED_ADDRESS, MAPPED_PORT, MARKS, HEARD, SENT] = [16, 20, 22, 24, 28];
const NEVER = 0xffff_ffff;

/**
 * The trusted peers at the time `now`, behind a header of this many octets. `marksOf`: the marks of a peer ({@link KnownPeer}); undefined: the
 * peer is left out.
 */
export function writePeers(
  header: number,
  peers: PeerTable,
  now: number,
  marksOf: (peer: number) => number | undefined = () => 0,
): Uint8Array {
  const state = new Uint8Array(header + PEER * peers.trustedCount);
  const view = new DataView(state.buffer);
  let at = header;
  for (const peer of peers) {
    const marks = peers.status[peer] === TRUSTED ? marksOf(peer) : undefined;
    if (marks === undefined) continue;
    peers.writeAddress(peer, state, at);
    view.setUint32(at + MAPPED_ADDRESS, peers.mappedAddress[peer]!);
    view.setUint16(at + MAPPED_PORT, peers.mappedPort[peer]!);
    view.setUint8(at + MARKS, marks);
    view.setUint32(at + HEARD, ageOf(peers.lastReceived.at(peer), now));
    view.setUint32(at + SENT, ageOf(peers.lastSent.at(peer), now));
    at += PEER;
  }
  return state.subarray(0, at);
}

/** The peers behind a header of this many octets. `writtenAt`: the time of writing, on this process's clock. */
export function* readPeers(state: Uint8Array, header: number, writtenAt: number): Generator<KnownPeer> {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  for (let at = header; at + PEER <= state.length; at += PEER) {
    yield {
      address: state.slice(at, at + 16),
      mappedAddress: view.getUint32(at + MAPPED_ADDRESS),
      mappedPort: view.getUint16(at + MAPPED_PORT),
      lastReceived: instantOf(view.getUint32(at + HEARD), writtenAt),
      lastSent: instantOf(view.getUint32(at + SENT), writtenAt),
      marks: view.getUint8(at + MARKS),
    };
  }
}

export function ageOf(instant: number, now: number): number {
  return Math.min(NEVER, Math.max(0, Math.round(now - instant)));
}

export function instantOf(age: number, writtenAt: number): number {
  return age === NEVER ? -Infinity : writtenAt - age;
}
