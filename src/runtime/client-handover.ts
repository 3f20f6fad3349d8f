/**
 * The state that a client leaves to its successor: its address, its qualification and its trusted peers. The reader believes nothing of it.
 */
import type { KnownQualification, ServerCandidate } from '../core/client/index.ts';
import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import { isTeredo, serverOf } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { PeerRecords, endOfPeers, readPeers } from './handover-peers.ts';
import type { StateParts } from './handover-use.ts';

/** To be raised with each change of the layout. Other roles have other numbers (handover-state.ts). */
const LAYOUT = 0x0100_0003;
/** In front of the peers. */
const HEADER = 4;
/** Behind them: flags, distance of the ports that a server's addresses have seen, round trip (ms), local address (0: unknown), own address. */
const [FLAGS, PORT_STEP, ROUND_TRIP, LOCAL, ADDRESS, TAIL] = [0, 2, 4, 8, 12, 28];
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

/** `now`: the moment to which ages refer. */
export function clientState(client: LeavingClient, now: number): StateParts {
  const records = new PeerRecords(client.peerTable, now, (peer) =>
    client.qualification === undefined ? undefined : client.marksOf(peer, now),
  );
  const header = new Uint8Array(HEADER);
  new DataView(header.buffer).setUint32(0, LAYOUT);
  return {
    header,
    next: () => (records.isWalked ? undefined : records.part()),
    end: () => [...records.end(), qualificationOf(client)],
    cancel: () => records.cancel(),
  };
}

function qualificationOf({ address, qualification }: LeavingClient): Uint8Array {
  const tail = new Uint8Array(TAIL);
  const view = new DataView(tail.buffer);
  if (address === undefined) return tail;
  tail.set(address, ADDRESS);
  view.setUint8(FLAGS, HAS_ADDRESS);
  if (qualification === undefined) return tail;
  const { verified, symmetric, portStep, roundTripMs, localAddress } = qualification;
  view.setUint8(
    FLAGS,
    HAS_ADDRESS | IS_QUALIFIED | (verified ? IS_VERIFIED : 0) | (symmetric ? IS_SYMMETRIC : 0),
  );
  view.setUint16(PORT_STEP, portStep);
  view.setUint32(ROUND_TRIP, Math.round(roundTripMs));
  view.setUint32(LOCAL, localAddress ?? 0);
  return tail;
}

/** `writtenAt`: on this process's clock. Undefined: no state of a client in this layout. */
export function readClient(whole: Uint8Array, writtenAt: number): LeftClient | undefined {
  const layout = whole.length < HEADER ? 0 : new DataView(whole.buffer, whole.byteOffset).getUint32(0);
  const end = layout === LAYOUT ? endOfPeers(whole, HEADER) : undefined;
  if (end === undefined || whole.length < end + TAIL) return undefined;
  const state = whole.subarray(end);
  const view = new DataView(state.buffer, state.byteOffset, state.length);
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
    peers: isQualified ? readPeers(whole, HEADER, writtenAt) : [],
  };
}

/** Whether a client with these servers can take over the interface that a predecessor has left with this state. */
export function fitsServers(state: Uint8Array | undefined, servers: readonly ServerCandidate[]): boolean {
  const read = state === undefined ? undefined : readClient(state, 0);
  if (read?.address === undefined) return read !== undefined;
  const server = serverOf(read.address, 0);
  return servers.some(({ primary }) => primary === server);
}
