import type { PeerTraffic } from '../peer-traffic.ts';

/** A report of carried packets: one index for each peer. Packets and bytes are counted since the last report. */
export interface Carried {
  readonly count: number;
  /** IPv6 addresses, 16 bytes each. */
  readonly buffer: Uint8Array;
  /** Times of the last packet received and sent, ms; -Infinity: none since the last report. */
  readonly receivedAt: Float64Array;
  readonly sentAt: Float64Array;
  readonly receivedPackets: Float64Array;
  readonly receivedBytes: Float64Array;
  readonly sentPackets: Float64Array;
  readonly sentBytes: Float64Array;
}

/** The packets carried for the peer with this index. */
export function trafficAt(carried: Carried, index: number): PeerTraffic {
  return {
    receivedPackets: carried.receivedPackets[index]!,
    receivedBytes: carried.receivedBytes[index]!,
    sentPackets: carried.sentPackets[index]!,
    sentBytes: carried.sentBytes[index]!,
  };
}
