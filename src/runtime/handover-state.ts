/**
 * The state that a relay leaves to its successor, a later process of the same role, perhaps of another version: a number of the layout, the
 * trusted peers (handover-peers.ts), and packets that wait for others, each behind its length. The reader believes nothing of it.
 */
import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import { PeerRecords, endOfPeers, readPeers } from './handover-peers.ts';
import type { StateParts } from './handover-use.ts';

/** To be raised with each change of the layout: a successor that knows another one starts without peers. */
const LAYOUT = 3;
const [HEADER, LENGTH] = [4, 2];
/** Packets are joined to parts of this size: each part costs a call of the system. */
const PART_BYTES = 64 << 10;
/** The senders of packets that have waited longer have sent them again. */
const LONGEST_WAIT_MS = 4_000;

export interface LeftRelay {
  readonly peers: Iterable<KnownPeer>;
  readonly packets: Iterable<Uint8Array>;
}

/** Of the trusted peers, and at the end of the role also of the `packets` that wait then. `now`: the moment to which ages refer. */
export function relayState(peers: PeerTable, now: number, packets: () => Iterable<Uint8Array>): StateParts {
  const records = new PeerRecords(peers, now);
  const header = new Uint8Array(HEADER);
  new DataView(header.buffer).setUint32(0, LAYOUT);
  return {
    header,
    next: () => (records.isWalked ? undefined : records.part()),
    *end(isLast) {
      yield* records.end();
      if (isLast) yield* joined(packets());
    },
    cancel: () => records.cancel(),
  };
}

/** Each packet is behind its length. */
function* joined(packets: Iterable<Uint8Array>): Generator<Uint8Array> {
  let part = new Uint8Array(PART_BYTES);
  let used = 0;
  for (const packet of packets) {
    const needed = LENGTH + packet.length;
    if (used + needed > part.length) {
      yield part.subarray(0, used);
      [part, used] = [new Uint8Array(Math.max(PART_BYTES, needed)), 0];
    }
    part[used] = packet.length >> 8;
    part[used + 1] = packet.length;
    part.set(packet, used + LENGTH);
    used += needed;
  }
  yield part.subarray(0, used);
}

/** `writtenAt`: on this process's clock, `agoMs` before now. Undefined: the layout is another one, or the state is not whole. */
export function readHandover(state: Uint8Array, writtenAt: number, agoMs: number): LeftRelay | undefined {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return undefined;
  const end = endOfPeers(state, HEADER);
  if (end === undefined) return undefined;
  return {
    peers: readPeers(state, HEADER, writtenAt),
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
