/**
 * The state that a client leaves to its successor: its address, its qualification and its trusted peers. The reader believes nothing of it.
 */
import type { KnownQualification, ServerCandidate } from '../core/client/index.ts';
import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import { isTeredo, serverOf } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { readPeers, writePeers } from './handover-peers.ts';

/** To be raised with each change of the layout. Other roles have other numbers (handover-state.ts). */
const LAYOUT = 0x0100_0002;
/** Flags, distance of the ports that a server's addresses have seen, round trip (ms), local address (0: unknown), own address; then the peers. */
const [FLAGS, PORT_STEP, ROUND_TRIP, LOCAL, ADDRESS, HEADER] = [4, 6, 8, 12, 16, 32];
const [HAS_ADDRESS, IS_QUALIFIED, IS_VERIFIED, IS_SYMMETRIC] = [1, 2, 4, 8];

/** What a machine has to leave. */
export interface LeavingClient {
  readonly address: Ipv6 | undefined;
  readonly qualification: KnownQualification | undefined;
  readonly peerTable: PeerTable;
  marksOf(peer: number, now: number): number | undefined;
}

export interface LeftClient {
  readonly address: Ipv6 | undefined;
  readonly qualification: KnownQualification | undefined;
  readonly peers: Iterable<KnownPeer>;
}

export function writeClient(client: LeavingClient, now: number): Uint8Array {
  const { address, qualification, peerTable } = client;
  const state = writePeers(HEADER, peerTable, now, (peer) =>
    qualification === undefined ? undefined : client.marksOf(peer, now),
  );
  const view = new DataView(state.buffer);
  view.setUint32(0, LAYOUT);
  if (address === undefined) return state;
  state.set(address, ADDRESS);
  view.setUint8(FLAGS, HAS_ADDRESS);
  if (qualification === undefined) return state;
  const { verified, symmetric, portStep, roundTripMs, localAddress } = qualification;
  view.setUint8(
    FLAGS,
    HAS_ADDRESS | IS_QUALIFIED | (verified ? IS_VERIFIED : 0) | (symmetric ? IS_SYMMETRIC : 0),
  );
  view.setUint16(PORT_STEP, portStep);
  view.setUint32(ROUND_TRIP, Math.round(roundTripMs));
  view.setUint32(LOCAL, localAddress ?? 0);
  return state;
}

/** `writtenAt`: on this process's clock. Undefined: no state of a client in this layout. */
export function readClient(state: Uint8Array, writtenAt: number): LeftClient | undefined {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return undefined;
  const flags = view.getUint8(FLAGS);
  if ((flags & HAS_ADDRESS) === 0) return { address: undefined, qualification: undefined, peers: [] };
  if (!isTeredo(state, ADDRESS)) return undefined;
  const isQualified = (flags & IS_QUALIFIED) !== 0;
  return {
    address: state.slice(ADDRESS, ADDRESS + 16),
    qualification: isQualified
      ? {
          verified: (flags & IS_VERIFIED) !== 0,
          symmetric: (flags & IS_SYMMETRIC) !== 0,
          portStep: view.getUint16(PORT_STEP),
          roundTripMs: view.getUint32(ROUND_TRIP),
          localAddress: view.getUint32(LOCAL) || undefined,
        }
      : undefined,
    peers: isQualified ? readPeers(state, HEADER, writtenAt) : [],
  };
}

/** Whether a client with these servers can take over the interface that a predecessor has left with this state. */
export function fitsServers(state: Uint8Array | undefined, servers: readonly ServerCandidate[]): boolean {
  const read = state === undefined ? undefined : readClient(state, 0);
  if (read?.address === undefined) return read !== undefined;
  const server = serverOf(read.address, 0);
  return servers.some(({ primary }) => primary === server);
}
