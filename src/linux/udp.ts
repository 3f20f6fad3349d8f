import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';
import { E, errno, sys } from './libc.ts';
import { Messages } from './messages.ts';
import { Poll } from './poll.ts';
import { SendQueue } from './send-queue.ts';
import { Slab } from './slab.ts';
import {
  AF_INET,
  OPTION,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  bindIpv4,
  joinGroup,
  localEndpoint,
  openSocket,
  receiveDrops,
  setOption,
} from './socket.ts';
import type { SocketOption } from './socket.ts';

/** Datagrams a system call. */
const BATCH = 64;
/** System calls a turn of the event loop: then timers and other descriptors have theirs. */
const CALLS_A_TURN = 4;
/** The largest UDP payload over IPv4. C-24 */
const MAX_DATAGRAM = 65_507;
const MSG_DONTWAIT = 0x40;
/** IP_PMTUDISC_DONT: no DF; routers may fragment. C-23 */
const PMTUDISC_DONT = 0;
const BUFFER_BYTES = 4 << 20;

export interface UdpOptions {
  /** Host order; 0: any. */
  readonly address: number;
  /** 0: the kernel chooses. */
  readonly port: number;
  readonly headroom: number;
  /** Receives only this group's datagrams, on the subnet of `local`, beside others that do the same. */
  readonly group?: { readonly address: number; readonly local: number };
}

export interface ReceivedBatch {
  count: number;
  readonly buffer: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly addresses: Uint32Array;
  readonly ports: Uint16Array;
}

/** An IPv4 UDP socket that receives and sends in batches. Unconnected: ICMP errors do not reach it. */
export class UdpSocket {
  readonly local: { readonly address: number; readonly port: number };
  readonly counters: ReturnType<typeof makeCounters>;

  private readonly fd: number;
  private readonly slab: Slab;
  private readonly incoming = new Messages(BATCH);
  private readonly outgoing: SendQueue;
  private readonly batch: ReceivedBatch;
  private poll: Poll | undefined;
  private closed = false;
  private overflows = 0;

  /** Throws a SystemCallError where the address or port is not to be had. */
  constructor(options: UdpOptions) {
    this.fd = openSocket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    try {
      this.configure(options);
      this.local = localEndpoint(this.fd);
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
    this.counters = makeCounters(() => this.countOverflows());
    this.outgoing = new SendQueue(this.fd, BATCH, this.counters);
    this.slab = new Slab(BATCH, MAX_DATAGRAM, options.headroom);
    for (let i = 0; i < BATCH; i++) {
      this.incoming.setBytes(i, this.slab.memory.address + this.slab.start(i), MAX_DATAGRAM);
    }
    this.batch = {
      count: 0,
      buffer: this.slab.bytes,
      offsets: Uint32Array.from({ length: BATCH }, (_, i) => this.slab.start(i)),
      lengths: new Uint32Array(BATCH),
      addresses: new Uint32Array(BATCH),
      ports: new Uint16Array(BATCH),
    };
  }

  start(onDatagrams: (batch: ReceivedBatch) => void): void {
    this.poll = new Poll(this.fd, () => {
      for (let i = 0; i < CALLS_A_TURN && !this.closed; i++) if (!this.receive(onDatagrams)) return;
    });
  }

  send(buffer: Uint8Array, offset: number, length: number, address: number, port: number): void {
    if (!this.closed) this.outgoing.add(buffer, offset, length, address, port);
  }

  flush(): void {
    if (!this.closed) this.outgoing.flush();
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

  private configure({ address, port, group }: UdpOptions): void {
    setOption(this.fd, OPTION.MTU_DISCOVER, PMTUDISC_DONT);
    // Of groups only what this socket joined itself, not what anybody on this host did. CL-112
    setOption(this.fd, OPTION.MULTICAST_ALL, 0);
    setLargest(this.fd, OPTION.RCVBUFFORCE, OPTION.RCVBUF, BUFFER_BYTES);
    setLargest(this.fd, OPTION.SNDBUFFORCE, OPTION.SNDBUF, BUFFER_BYTES);
    if (group === undefined) {
      // RFC 4380 section 5.2.8: discovery bubbles stay on the link. They are looped back (IP_MULTICAST_LOOP, the default): two
      // clients may share this host's address and live in network namespaces of their own. A client hears itself, too.
      setOption(this.fd, OPTION.MULTICAST_TTL, 1);
      bindIpv4(this.fd, address, port);
    } else {
      setOption(this.fd, OPTION.REUSEADDR, 1);
      // Bound to the group itself: nothing sent to this host alone gets in. CL-112
      bindIpv4(this.fd, group.address, port);
      joinGroup(this.fd, group.address, group.local);
    }
  }

  /** One system call's worth; whether there may be more. */
  private receive(onDatagrams: (batch: ReceivedBatch) => void): boolean {
    const { counters, batch, incoming } = this;
    const count = sys.recvmmsg(this.fd, incoming.addressOf(0), BATCH, MSG_DONTWAIT, 0);
    if (count <= 0) {
      const error = count < 0 ? errno() : E.EAGAIN;
      if (error !== E.EAGAIN && error !== E.EINTR) countFailure(counters.receiveFailures, error);
      return false;
    }
    for (let i = 0; i < count; i++) {
      const length = incoming.length(i);
      batch.lengths[i] = length;
      batch.addresses[i] = incoming.sourceAddress(i);
      batch.ports[i] = incoming.sourcePort(i);
      counters.receivedBytes += length;
    }
    counters.receivedDatagrams += count;
    batch.count = count;
    onDatagrams(batch);
    return count === BATCH;
  }

  private countOverflows(): number {
    if (!this.closed) this.overflows = receiveDrops(this.fd);
    return this.overflows;
  }
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

/** Root may have as much as it wants, others as much as the system allows. */
function setLargest(fd: number, forced: SocketOption, allowed: SocketOption, bytes: number): void {
  if (!setOption(fd, forced, bytes)) setOption(fd, allowed, bytes);
}
