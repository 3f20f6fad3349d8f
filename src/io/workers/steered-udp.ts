import type { Entropy } from '../../core/entropy.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import { readUint32 } from '../../wire/index.ts';
import type { Clock, DatagramBatch, Udp, UdpCounters } from '../ports.ts';
import { StrayShares } from './stray-shares.ts';
import { clientAt, workerOfClient } from './worker-of.ts';
import type { Steering } from './worker-of.ts';

/** Datagrams that one worker has received for another. */
export interface Strays {
  /** Of the worker that they are for; 0: the first. */
  readonly to: number;
  readonly batch: DatagramBatch;
}

/** Octets of the longest that is passed on: bubbles with all that can be around them are shorter. */
const LONGEST = 256;

/**
 * One of the sockets that workers share. The kernel may merge datagrams of one sender into a run (UDP_GRO), and chooses the socket by the first of
 * them. A server forwards bubbles of different clients; so a run may have datagrams of other workers in it. They are passed on.
 */
export class SteeredUdp implements Udp {
  private readonly udp: Udp;
  private readonly own: number;
  private readonly steering: Steering;
  private readonly clock: Clock;
  private readonly pass: (strays: Strays) => void;
  private onDatagrams: (batch: DatagramBatch) => void = () => {};
  private readonly shares: StrayShares;
  private dropped = 0;

  /** `own`: the number of this worker; `pass` takes strays to theirs. */
  constructor(
    udp: Udp,
    own: number,
    steering: Steering,
    { clock, entropy }: { readonly clock: Clock; readonly entropy: Entropy },
    pass: (strays: Strays) => void,
  ) {
    this.udp = udp;
    this.own = own;
    this.steering = steering;
    this.clock = clock;
    this.pass = pass;
    this.shares = new StrayShares(entropy);
  }

  get local(): Endpoint {
    return this.udp.local;
  }

  get counters(): UdpCounters {
    const { counters } = this.udp;
    if (this.dropped === 0) return counters;
    return { ...counters, receiveFailures: { ...counters.receiveFailures, STRAYS: this.dropped } };
  }

  start(
    onDatagrams: (batch: DatagramBatch) => void,
    onRefused?: (buffer: Uint8Array, offset: number, length: number) => void,
  ): void {
    this.onDatagrams = onDatagrams;
    this.udp.start((batch) => this.receive(batch), onRefused);
  }

  /** Datagrams of this worker that another one has received. */
  inject(batch: DatagramBatch): void {
    this.onDatagrams(batch);
  }

  send(buffer: Uint8Array, offset: number, length: number, address: Ipv4, port: number): void {
    this.udp.send(buffer, offset, length, address, port);
  }

  flush(): void {
    this.udp.flush();
  }

  mergeRuns(on: boolean): void {
    this.udp.mergeRuns(on);
  }

  close(): void {
    this.onDatagrams = () => {};
    this.udp.close();
  }

  private receive(batch: DatagramBatch): void {
    const workers = this.workersOf(batch);
    this.onDatagrams(workers === undefined ? batch : this.divide(batch, workers));
  }

  /** The worker of each datagram; undefined: all are this one's. Most have the client of the datagram before. */
  private workersOf({ count, buffer, offsets, lengths }: DatagramBatch): number[] | undefined {
    let workers: number[] | undefined;
    let [last, worker] = [-1, 0];
    for (let i = 0; i < count; i++) {
      const start = offsets[i]!;
      const at = clientAt(buffer, start, start + lengths[i]!);
      if (at < 0) worker = 0;
      else if (last < 0 || !isSameClient(buffer, at, last))
        worker = workerOfClient(buffer, at, this.steering);
      last = at;
      if (worker !== this.own) workers ??= Array.from({ length: i }, () => this.own);
      workers?.push(worker);
    }
    return workers;
  }

  /** Passes on those of others; returns the rest. */
  private divide(batch: DatagramBatch, workers: readonly number[]): DatagramBatch {
    const others = new Set(workers);
    others.delete(this.own);
    const now = this.clock.now();
    for (const to of others) {
      const all = workers.flatMap((worker, i) => (worker === to ? [i] : []));
      const paid = all.filter(
        (i) => batch.lengths[i]! <= LONGEST && this.shares.take(batch.addresses[i]!, now),
      );
      this.dropped += all.length - paid.length;
      if (paid.length > 0) this.pass({ to, batch: copyOf(batch, paid) });
    }
    return select(
      batch,
      workers.flatMap((worker, i) => (worker === this.own ? [i] : [])),
    );
  }
}

function isSameClient(b: Uint8Array, one: number, other: number): boolean {
  for (let word = 12; word >= 0; word -= 4)
    if (readUint32(b, one + word) !== readUint32(b, other + word)) return false;
  return true;
}

/** Some datagrams of a batch, where they are. */
function select(
  { buffer, offsets, lengths, addresses, ports, tos }: DatagramBatch,
  chosen: readonly number[],
): DatagramBatch {
  return {
    count: chosen.length,
    buffer,
    offsets: Uint32Array.from(chosen, (i) => offsets[i]!),
    lengths: Uint32Array.from(chosen, (i) => lengths[i]!),
    addresses: Uint32Array.from(chosen, (i) => addresses[i]!),
    ports: Uint16Array.from(chosen, (i) => ports[i]!),
    tos: Uint8Array.from(chosen, (i) => tos[i]!),
  };
}

/** The same in memory of their own. */
function copyOf(batch: DatagramBatch, chosen: readonly number[]): DatagramBatch {
  const { buffer, lengths, offsets, ...rest } = select(batch, chosen);
  const copy = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const starts = new Uint32Array(lengths.length);
  let end = 0;
  for (const [i, length] of lengths.entries()) {
    starts[i] = end;
    copy.set(buffer.subarray(offsets[i]!, offsets[i]! + length), end);
    end += length;
  }
  return { ...rest, buffer: copy, lengths, offsets: starts };
}
