/** The proven ways of the kernel path to peers, as one process of a role leaves them to the next: the proofs need not be repeated. */
import { WAY } from '../../linux/bpf/layout.ts';
import type { Way } from '../../linux/bpf/layout.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../wire/index.ts';

/** To be raised with each change of the layout. */
const LAYOUT = 1;
const HEADER = 4;
/** Octets of a peer: its address, its mapped address and port, and the way. */
const [PEER, ADDRESS, PORT, WAY_AT] = [24, 16, 20, 22];

export interface ProvenWay {
  readonly peer: Ipv6;
  readonly place: Endpoint;
  readonly way: Way;
}

export function writeWays(proven: readonly ProvenWay[]): Uint8Array {
  const state = new Uint8Array(HEADER + PEER * proven.length);
  const view = new DataView(state.buffer);
  view.setUint32(0, LAYOUT);
  for (const [i, { peer, place, way }] of proven.entries()) {
    const at = HEADER + PEER * i;
    state.set(peer, at);
    view.setUint32(at + ADDRESS, place.address);
    view.setUint16(at + PORT, place.port);
    view.setUint8(at + WAY_AT, way);
  }
  return state;
}

/** By the peer's address as text; empty if the layout is another one. */
export function readWays(state: Uint8Array): Map<string, ProvenWay> {
  const ways = new Map<string, ProvenWay>();
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return ways;
  for (let at = HEADER; at + PEER <= state.length; at += PEER) {
    const way = view.getUint8(at + WAY_AT);
    if (way !== WAY.checked && way !== WAY.bare) continue;
    const peer = state.slice(at, at + 16);
    const place = { address: view.getUint32(at + ADDRESS), port: view.getUint16(at + PORT) };
    ways.set(formatIpv6(peer), { peer, place, way });
  }
  return ways;
}
