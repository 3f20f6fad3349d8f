/**
 * The state that a relay leaves to its successor, a later process of the same role, perhaps of another version: a number of the layout, the
 * number of peers, the trusted peers, and packets that wait for others, each behind its length. The reader believes nothing of it.
 */
import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import { PEER, readPeers, writePeers } from './handover-peers.ts';

/** To be raised with each change of the layout: a successor that knows another one starts without peers. */
const LAYOUT = 2;
const [COUNT, HEADER, LENGTH] = [4, 8, 2];
/** The senders of packets that have waited longer have sent them again. */
const LONGEST_WAIT_MS = 4_000;

export interface LeftRelay {
  readonly peers: Iterable<KnownPeer>;
  readonly packets: Iterable<Uint8Array>;
}

/** The trusted peers at the time `now`. */
export function writeHandover(peers: PeerTable, now: number, packets: Iterable<Uint8Array> = []): Uint8Array {
  const known = writePeers(HEADER, peers, now);
  const view = new DataView(known.buffer);
  view.setUint32(0, LAYOUT);
  view.setUint32(COUNT, (known.length - HEADER) / PEER);
  const lengths = [...packets].flatMap((packet) => [
    Uint8Array.of(packet.length >> 8, packet.length),
    packet,
  ]);
  return lengths.length === 0 ? known : new Uint8Array(Buffer.concat([known, ...lengths]));
}

/** `writtenAt`: on this process's clock, `agoMs` before now. Undefined: the layout is another one. */
export function readHandover(state: Uint8Array, writtenAt: number, agoMs: number): LeftRelay | undefined {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return undefined;
  const end = HEADER + PEER * view.getUint32(COUNT);
  return {
    peers: readPeers(state.subarray(0, end), HEADER, writtenAt),
    packets: agoMs > LONGEST_WAIT_MS ? [] : readPackets(state, end),
  };
}

function* readPackets(state: Uint8Array, start: number): Generator<Uint8Array> {
  for (let at = start; at + LENGTH <= state.length;) {
    const from = at + LENGTH;
    at = from + (state[at]! << 8) + state[at + 1]!;
    if (at <= state.length) yield state.subarray(from, at);
  }
}
