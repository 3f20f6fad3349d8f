/** Peers of a worker, as it tells them to the first thread: little memory for each. */
import { NO_PEER, TRUSTED } from '../../core/peer-table.ts';
import type { PeerTable } from '../../core/peer-table.ts';
import type { PeerTraffic } from '../../core/peer-traffic.ts';
import type { Ipv4, Ipv6 } from '../../wire/index.ts';

/** Octets of a record: address, mapped address and port, whether it is trusted, then numbers of 8 octets. */
const RECORD = 72;
const [MAPPED_ADDRESS, MAPPED_PORT, IS_TRUSTED, NUMBERS] = [16, 20, 22, 24];
/** Records in a message: about a millisecond's work. */
export const RECORDS_A_MESSAGE = 1_024;
/** A step through slots of the table without a peer takes as long as so many records. */
const STEP_AS_RECORDS = 100;

/** A peer as one of the first thread. Times are those of its clock, and the same in all answers while nothing comes. */
export interface RecordedPeer extends PeerTraffic {
  readonly address: Ipv6;
  readonly mappedAddress: Ipv4;
  readonly mappedPort: number;
  readonly isTrusted: boolean;
  readonly lastReceived: number;
  readonly lastSent: number;
}

/**
 * All peers, in pieces of {@link RECORDS_A_MESSAGE}; each is made when it is taken, and the table may change in between. Undefined: as much work
 * without a full piece. `clockOffset`: of this thread (worker-ports.ts).
 */
export function* recordsOf(peers: PeerTable, clockOffset: number): Generator<Uint8Array | undefined> {
  let records = new Uint8Array(RECORD * RECORDS_A_MESSAGE);
  let [end, work] = [0, 0];
  for (const peer of peers.walkInSteps()) {
    work += peer === NO_PEER ? STEP_AS_RECORDS : 1;
    if (peer !== NO_PEER) {
      writeRecord(records, end, peers, peer, clockOffset);
      end += RECORD;
    }
    if (end === records.length) {
      yield records;
      records = new Uint8Array(RECORD * RECORDS_A_MESSAGE);
      end = work = 0;
    } else if (work >= RECORDS_A_MESSAGE) {
      yield undefined;
      work = 0;
    }
  }
  if (end > 0) yield records.slice(0, end);
}

export function countOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length / RECORD, 0);
}

/** `clockOffset`: of the thread that reads them. */
export function* readRecords(pieces: readonly Uint8Array[], clockOffset: number): Generator<RecordedPeer> {
  for (const piece of pieces)
    for (let start = 0; start < piece.length; start += RECORD) yield readRecord(piece, start, clockOffset);
}

function writeRecord(
  records: Uint8Array,
  at: number,
  peers: PeerTable,
  peer: number,
  clockOffset: number,
): void {
  const view = new DataView(records.buffer, at, RECORD);
  peers.writeAddress(peer, records, at);
  view.setUint32(MAPPED_ADDRESS, peers.mappedAddress[peer]!);
  view.setUint16(MAPPED_PORT, peers.mappedPort[peer]!);
  view.setUint8(IS_TRUSTED, peers.status[peer] === TRUSTED ? 1 : 0);
  const { receivedPackets, receivedBytes, sentPackets, sentBytes } = peers.trafficOf(peer);
  const times = [peers.lastReceived.at(peer) + clockOffset, peers.lastSent.at(peer) + clockOffset];
  const numbers = [receivedPackets, receivedBytes, sentPackets, sentBytes, ...times];
  for (const [i, number] of numbers.entries()) view.setFloat64(NUMBERS + 8 * i, number);
}

function readRecord(records: Uint8Array, start: number, clockOffset: number): RecordedPeer {
  const view = new DataView(records.buffer, records.byteOffset + start, RECORD);
  const number = (i: number): number => view.getFloat64(NUMBERS + 8 * i);
  return {
    address: records.slice(start, start + 16),
    mappedAddress: view.getUint32(MAPPED_ADDRESS),
    mappedPort: view.getUint16(MAPPED_PORT),
    isTrusted: view.getUint8(IS_TRUSTED) === 1,
    receivedPackets: number(0),
    receivedBytes: number(1),
    sentPackets: number(2),
    sentBytes: number(3),
    lastReceived: number(4) - clockOffset,
    lastSent: number(5) - clockOffset,
  };
}
