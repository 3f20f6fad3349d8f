import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';
import { E, errno, sys } from './libc.ts';
import { Messages } from './messages.ts';
import { Poll } from './poll.ts';
import { SendQueue } from './send-queue.ts';
import type { RefusalHandler } from './send-queue.ts';
import { Slab } from './slab.ts';
import {
  AF_INET,
  OPTION,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  bindIpv4,
  hasReuseport,
  joinGroup,
  localEndpoint,
  openSocket,
  receiveDrops,
  setOption,
} from './socket.ts';
import type { SocketOption } from './socket.ts';
import { Turn } from './turn.ts';

/** Messages per system call: datagrams, or runs of them. */
const BATCH = 64;
/** Runs have up to 64 KB each: fewer per call, so that they stay in the cache, and that a call is not a long turn. */
const BATCH_OF_RUNS = 16;
/** For a socket that expects few datagrams; a client may have hundreds. */
const BATCH_OF_FEW = 2;
/** Datagrams in one batch. */
const MOST = 1_024;
/** System calls in one turn of the event loop, before timers and other descriptors are served. */
const CALLS_A_TURN = 16;
/** Datagrams after which a turn ends, too: as many as single ones in these calls. A call of runs that are larger than those before may bring more. */
const DATAGRAMS_A_TURN = 1_024;
/** Octets after which a turn ends, too: some two milliseconds' work. adr/0030 */
const OCTETS_A_TURN = 512 << 10;
/** So many in a millisecond are bulk. */
const BULK_OCTETS = 64 << 10;
/** The largest UDP payload over IPv4. C-24 */
const MAX_DATAGRAM = 65_507;
const MSG_DONTWAIT = 0x40;
/** IP_PMTUDISC_DONT: no DF; routers may fragment. C-23 */
const PMTUDISC_DONT = 0;
const BUFFER_BYTES = 4 << 20;

export interface UdpOptions {
  /** In host order; 0: any. */
  readonly address: number;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** Writable bytes before each datagram; with `runs`, before each run only. */
  readonly headroom: number;
  /** Lets the kernel merge datagrams of one source and one length (UDP_GRO): a message is then a run of them. */
  readonly runs?: boolean;
  /** Few datagrams are expected: the socket takes little memory. */
  readonly few?: boolean;
  /** An open socket that is bound there already, to be taken over ({@link isUdpSocketAt}). */
  readonly kept?: number;
  /**
   * Receives only this group's datagrams, on the subnet of `local`. Other sockets may do the same. `reuseport`: sockets of this process with
   * SO_REUSEPORT have the port on all addresses.
   */
  readonly group?: { readonly address: number; readonly local: number; readonly reuseport?: boolean };
}

export interface ReceivedBatch {
  count: number;
  readonly buffer: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly addresses: Uint32Array;
  readonly ports: Uint16Array;
  readonly tos: Uint8Array;
}

/** An IPv4 UDP socket that receives and sends in batches. Unconnected: ICMP errors do not reach it. */
export class UdpSocket {
  readonly local: { readonly address: number; readonly port: number };
  readonly counters: ReturnType<typeof makeCounters>;

  readonly fd: number;
  private readonly slab: Slab;
  private readonly incoming: Messages;
  private readonly inRuns: boolean;
  private readonly outgoing: SendQueue;
  private readonly batch: ReceivedBatch;
  private poll: Poll | undefined;
  private closed = false;
  private readonly turn = new Turn();
  private overflows = 0;
  /** The most datagrams of a run in the last call, at most {@link DATAGRAMS_A_TURN}: a turn reads one such run. */
  private largestRun = 1;

  /** Throws a SystemCallError if the address or port cannot be used, or memory is short; the socket is closed then, one to be taken over, too. */
  constructor(options: UdpOptions) {
    this.fd = options.kept ?? openSocket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    try {
      this.configure(options);
      this.local = localEndpoint(this.fd);
      this.counters = makeCounters(() => this.countOverflows());
      const batch = options.few === true ? BATCH_OF_FEW : BATCH;
      this.outgoing = new SendQueue(this.fd, batch, this.counters);
      this.inRuns = options.runs === true && setOption(this.fd, OPTION.UDP_GRO, 1);
      const messages = this.inRuns ? BATCH_OF_RUNS : batch;
      this.incoming = new Messages(messages);
      this.slab = new Slab(messages, MAX_DATAGRAM, options.headroom);
      for (let i = 0; i < messages; i++) {
        this.incoming.setBytes(i, this.slab.memory.address + this.slab.start(i), MAX_DATAGRAM);
        this.incoming.makeRoomForControl(i);
      }
      this.batch = makeBatch(this.slab.bytes, this.inRuns ? MOST : BATCH);
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
  }

  /** `onRefused` is called inside {@link flush}. */
  start(onDatagrams: (batch: ReceivedBatch) => void, onRefused?: RefusalHandler): void {
    this.outgoing.onRefused = onRefused;
    this.poll = new Poll(this.fd, () => {
      const { receivedBytes, receivedDatagrams } = this.counters;
      const end = receivedDatagrams + DATAGRAMS_A_TURN;
      this.turn.begin();
      for (let i = 0; i < CALLS_A_TURN && !this.closed; i++) {
        const messages = this.roomFor(end - this.counters.receivedDatagrams);
        if (messages === 0 || !this.receive(messages, onDatagrams)) return;
        if (this.isOver(this.counters.receivedBytes - receivedBytes)) return;
      }
    });
  }

  /** How many messages bring no more than so many datagrams, if they are as large as those of the last call. */
  private roomFor(datagrams: number): number {
    return Math.max(0, Math.min(this.incoming.count, Math.floor(datagrams / this.largestRun)));
  }

  /** Whether the turn has been long enough. Bulk is limited by octets alone: with shorter turns it takes more processor time. adr/0030 */
  private isOver(octets: number): boolean {
    return octets >= OCTETS_A_TURN || (octets < BULK_OCTETS && this.turn.isOver);
  }

  send(buffer: Uint8Array, offset: number, length: number, address: number, port: number): void {
    if (!this.closed) this.outgoing.add(buffer, offset, length, address, port);
  }

  flush(): void {
    if (!this.closed) this.outgoing.flush();
  }

  /**
   * Opens another socket of this process that may share this one's port, because it is bound to a group. Sharing is off again afterwards: a
   * process that could bind the same address, too, would get our datagrams. `open` gets whether this is one of the sockets of several workers: these
   * share the port by SO_REUSEPORT, and only with a socket that has this option, too.
   */
  shareWhile<T>(open: (reuseport: boolean) => T): T {
    setOption(this.fd, OPTION.REUSEADDR, 1);
    try {
      return open(hasReuseport(this.fd));
    } finally {
      setOption(this.fd, OPTION.REUSEADDR, 0);
    }
  }

  /** Sets whether the kernel merges datagrams into runs, if {@link UdpOptions.runs} permits it. */
  mergeRuns(on: boolean): void {
    if (!this.closed && this.inRuns) setOption(this.fd, OPTION.UDP_GRO, Number(on));
  }

  close(): void {
    if (this.closed) return;
    this.countOverflows();
    this.closed = true;
    this.poll?.close();
    sys.close(this.fd);
    this.slab.release();
    this.outgoing.release();
  }

  private configure({ address, port, group, kept }: UdpOptions): void {
    setOption(this.fd, OPTION.MTU_DISCOVER, PMTUDISC_DONT);
    setOption(this.fd, OPTION.RECVTOS, 1);
    // Only groups that this socket joined itself, not those of other sockets on this host. CL-112
    setOption(this.fd, OPTION.MULTICAST_ALL, 0);
    setLargest(this.fd, OPTION.RCVBUFFORCE, OPTION.RCVBUF, BUFFER_BYTES);
    setLargest(this.fd, OPTION.SNDBUFFORCE, OPTION.SNDBUF, BUFFER_BYTES);
    if (group === undefined) {
      // RFC 4380 section 5.2.8: discovery bubbles stay on the link. They are looped back (IP_MULTICAST_LOOP, the default): two clients may
      // share this host's address, each in its own network namespace. A client receives its own, too.
      setOption(this.fd, OPTION.MULTICAST_TTL, 1);
      if (kept === undefined) bindIpv4(this.fd, address, port);
    } else {
      setOption(this.fd, OPTION.REUSEADDR, 1);
      if (group.reuseport === true) setOption(this.fd, OPTION.REUSEPORT, 1);
      // Bound to the group itself, so that datagrams to this host alone do not come in. CL-112
      bindIpv4(this.fd, group.address, port);
      joinGroup(this.fd, group.address, group.local);
    }
  }

  /** Receives with one system call; returns whether there may be more. */
  private receive(messages: number, onDatagrams: (batch: ReceivedBatch) => void): boolean {
    const { counters, batch, incoming } = this;
    const count = sys.recvmmsg(this.fd, incoming.addressOf(0), messages, MSG_DONTWAIT, 0);
    if (count <= 0) {
      const error = count < 0 ? errno() : E.EAGAIN;
      if (error !== E.EAGAIN && error !== E.EINTR) countFailure(counters.receiveFailures, error);
      return false;
    }
    this.largestRun = 1;
    for (let i = 0; i < count && !this.closed; i++) this.unpack(i, onDatagrams);
    if (batch.count > 0 && !this.closed) onDatagrams(batch);
    batch.count = 0;
    return count === messages;
  }

  /** Adds the datagrams of message `i` to the batch, which is delivered whenever it is full. */
  private unpack(i: number, onDatagrams: (batch: ReceivedBatch) => void): void {
    const { counters, batch, incoming } = this;
    const length = incoming.length(i);
    const segment = (this.inRuns && incoming.segmentSize(i)) || length;
    const tos = incoming.tos(i); // the same for all of a run: the kernel merges no datagrams that differ in it
    incoming.makeRoomForControl(i); // for the next call: the kernel has overwritten it
    const start = this.slab.start(i);
    const inRun = Math.min(DATAGRAMS_A_TURN, Math.ceil(length / (segment || 1)));
    this.largestRun = Math.max(this.largestRun, inRun);
    let done = 0;
    do {
      const at = batch.count++;
      batch.offsets[at] = start + done;
      batch.lengths[at] = Math.min(segment, length - done);
      batch.addresses[at] = incoming.sourceAddress(i);
      batch.ports[at] = incoming.sourcePort(i);
      batch.tos[at] = tos;
      counters.receivedDatagrams++;
      done += segment;
      if (batch.count === batch.offsets.length) {
        onDatagrams(batch);
        batch.count = 0;
      }
    } while (done < length && !this.closed);
    counters.receivedBytes += length;
  }

  private countOverflows(): number {
    if (!this.closed) this.overflows = receiveDrops(this.fd);
    return this.overflows;
  }
}

function makeBatch(buffer: Uint8Array, most: number): ReceivedBatch {
  return {
    count: 0,
    buffer,
    offsets: new Uint32Array(most),
    lengths: new Uint32Array(most),
    addresses: new Uint32Array(most),
    ports: new Uint16Array(most),
    tos: new Uint8Array(most),
  };
}

function makeCounters(overflows: () => number) {
  return {
    receivedDatagrams: 0,
    receivedBytes: 0,
    get receiveOverflows(): number {
      return overflows();
    },
    receiveFailures: {} as Failures,
    sentDatagrams: 0,
    sentBytes: 0,
    sendFailures: {} as Failures,
  };
}

/** Root may set any size; other users get at most the system's limit. */
function setLargest(fd: number, forced: SocketOption, allowed: SocketOption, bytes: number): void {
  if (!setOption(fd, forced, bytes)) setOption(fd, allowed, bytes);
}
