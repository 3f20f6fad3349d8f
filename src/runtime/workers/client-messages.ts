/** Messages between the first thread of a client and its workers, beside those of all roles. */
import type { Carried } from '../../core/offload/carried.ts';
import type { DatagramBatch, PacketBatch } from '../../io/ports.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../wire/index.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** For the start of a worker. */
export interface ClientWorkerData extends ClientWorkerState {
  readonly interface: string;
  readonly address: Ipv4;
  readonly port: number;
  /** Peers that it can have. */
  readonly most: number;
  /** A queue of the interface and a socket that are opened for it. */
  readonly tun: number;
  readonly udp: number;
  /** Numbers of its own: it writes them, the first thread reads them (client-shown.ts). */
  readonly shown: SharedArrayBuffer;
}

/** That may change later. */
export interface ClientWorkerState {
  /** The client's address; undefined: nothing is carried. */
  readonly own: Ipv6 | undefined;
}

/** A peer is given to the worker, again where it has it already; without a place it is taken back. Times are ages: each thread has a clock of its own. */
export interface PeerStep {
  readonly peer: Ipv6;
  readonly place?: Endpoint & { readonly heardMsAgo: number };
}

/** Left traffic: the first thread has to judge it. */
export interface LeftMessage {
  readonly type: 'left';
  readonly datagrams: DatagramBatch;
  /** Of the host. */
  readonly packets: PacketBatch;
}

export type ToClientWorker =
  | ToWorker<ClientWorkerState>
  | { readonly type: 'peers'; readonly steps: readonly PeerStep[] };

export type FromClientWorker =
  | FromWorker
  | LeftMessage
  /** It has the peer from now on, or no longer: it was silent for too long. */
  | { readonly type: 'took' | 'gave-up'; readonly peer: Ipv6 }
  /** The times are ages; Infinity: nothing since the last report. */
  | { readonly type: 'carried'; readonly report: Carried };
