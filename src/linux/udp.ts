import { errorName } from './errors.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { Messages } from './messages.ts';
import { Poll } from './poll.ts';
import { Slab, addressOfSlab } from './slab.ts';
import {
  AF_INET,
  OPTION,
  SOCK_DGRAM,
  bindIpv4,
  joinGroup,
  localEndpoint,
  openSocket,
  setOption,
} from './socket.ts';

/** Datagrams a system call. */
const BATCH = 64;
/** System calls a turn of the event loop: then timers and other descriptors have theirs. */
const CALLS_A_TURN = 4;
/** The largest UDP payload over IPv4. C-24 */
const MAX_DATAGRAM = 65_507;
/** Room for what is copied: all that is not lent fits in here, but for the rarest. */
const COPY_SIZE = 2_048;
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
  readonly counters = {
    receivedDatagrams: 0,
    receivedBytes: 0,
    receiveOverflows: 0,
    receiveFailures: {} as Record<string, number>,
    sentDatagrams: 0,
    sentBytes: 0,
    sendFailures: {} as Record<string, number>,
  };

  private readonly fd: number;
  private readonly slab: Slab;
  private readonly incoming = new Messages(BATCH);
  private readonly outgoing = new Messages(BATCH);
  private readonly copies = new Slab(BATCH, COPY_SIZE, 0);
  /** Copies too large for a slot; kept until the flush. */
  private large: Memory[] = [];
  private readonly batch: ReceivedBatch;
  private queued = 0;
  private queuedBytes = 0;
  private poll: Poll | undefined;
  private closed = false;

  /** Throws a SystemCallError where the address or port is not to be had. */
  constructor(options: UdpOptions) {
    this.fd = openSocket(AF_INET, SOCK_DGRAM);
    try {
      this.configure(options);
      this.local = localEndpoint(this.fd);
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
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

  /** See io/ports.ts: bytes of a slab are sent from where they are, others are copied. */
  send(buffer: Uint8Array, offset: number, length: number, address: number, port: number): void {
    if (this.closed) return;
    if (this.queued === BATCH) this.flush();
    const at = this.queued++;
    const lent = addressOfSlab(buffer);
    const from = lent === undefined ? this.copy(at, buffer, offset, length) : lent + offset;
    this.outgoing.setBytes(at, from, length);
    this.outgoing.setDestination(at, address, port);
    this.queuedBytes += length;
  }

  flush(): void {
    const { counters } = this;
    for (let sent = 0; sent < this.queued;) {
      // Waits while the interface is busy, as any sender does: what piles up meanwhile piles up in the tunnel's queue.
      const count = sys.sendmmsg(this.fd, this.outgoing.addressOf(sent), this.queued - sent, 0);
      if (count > 0) {
        counters.sentDatagrams += count;
        sent += count;
        continue;
      }
      const error = errno();
      if (error === E.EINTR) continue;
      count1(counters.sendFailures, error);
      sent++; // the first of those was refused; the others may go
    }
    counters.sentBytes += this.queuedBytes;
    this.queued = this.queuedBytes = 0;
    if (this.large.length > 0) this.large = [];
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.poll?.close();
    sys.close(this.fd);
    this.slab.release();
    this.copies.release();
  }

  private configure({ address, port, group }: UdpOptions): void {
    setOption(this.fd, OPTION.MTU_DISCOVER, PMTUDISC_DONT);
    if (!setOption(this.fd, OPTION.RCVBUFFORCE, BUFFER_BYTES))
      setOption(this.fd, OPTION.RCVBUF, BUFFER_BYTES);
    if (!setOption(this.fd, OPTION.SNDBUFFORCE, BUFFER_BYTES))
      setOption(this.fd, OPTION.SNDBUF, BUFFER_BYTES);
    if (group === undefined) {
      // RFC 4380 section 5.2.8: discovery bubbles stay on the link; other programs on this host may want them.
      setOption(this.fd, OPTION.MULTICAST_TTL, 1);
      bindIpv4(this.fd, address, port);
    } else {
      setOption(this.fd, OPTION.REUSEADDR, 1);
      setOption(this.fd, OPTION.MULTICAST_ALL, 0);
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
      if (error !== E.EAGAIN && error !== E.EINTR) count1(counters.receiveFailures, error);
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

  private copy(slot: number, buffer: Uint8Array, offset: number, length: number): number {
    const bytes = buffer.subarray(offset, offset + length);
    if (length <= COPY_SIZE) {
      const start = this.copies.start(slot);
      this.copies.bytes.set(bytes, start);
      return this.copies.memory.address + start;
    }
    const memory = new Memory(length);
    memory.bytes.set(bytes);
    this.large.push(memory);
    return memory.address;
  }
}

function count1(failures: Record<string, number>, error: number): void {
  const name = errorName(error);
  failures[name] = (failures[name] ?? 0) + 1;
}
