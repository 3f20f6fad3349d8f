import type { Entropy } from '../../core/entropy.ts';
import type { Machine, SocketId } from '../../core/machine.ts';
import type { Clock, DatagramBatch, PacketBatch, RawIpv6, Tun, Udp } from '../../io/ports.ts';
import { HEADROOM } from '../../core/machine.ts';
import type { Endpoint } from '../../wire/index.ts';
import { Driver } from '../driver.ts';

/** A datagram that a machine has sent. */
export interface Sent extends Endpoint {
  readonly bytes: Uint8Array;
  readonly socket: SocketId;
}

const ROOM = 2_048;

/** A machine with a driver whose ports are arrays: nothing that it sends leaves the process. Time passes only by {@link LoopedDriver.pass}. */
export class LoopedDriver {
  readonly driver: Driver;
  /** Taken by the rehearsal. */
  sent: Sent[] = [];
  /** Packets for the host, or for the native Internet. */
  delivered: Uint8Array[] = [];
  private readonly clock = new RehearsalClock();
  private readonly receivers: ((batch: DatagramBatch) => void)[] = [];
  private readonly datagram = makeBatch();
  private onPackets: (batch: PacketBatch) => void = () => {};

  constructor(machine: Machine, sockets: readonly SocketId[]) {
    this.driver = new Driver(machine, this.clock, () => false);
    for (const socket of sockets) this.driver.attachUdp(socket, this.makeUdp(socket));
  }

  attachTun(): this {
    this.driver.attachTun(this.makeTun(), () => {});
    return this;
  }

  attachRaw(): this {
    this.driver.attachRaw(this.makeRaw());
    return this;
  }

  pass(milliseconds: number): void {
    this.clock.pass(milliseconds);
  }

  receive(socket: SocketId, bytes: Uint8Array, { address, port }: Endpoint): void {
    const { datagram } = this;
    this.load(bytes);
    datagram.addresses[0] = address;
    datagram.ports[0] = port;
    this.receivers[socket]!(datagram);
  }

  /** The host sends this packet by the tunnel. */
  offer(packet: Uint8Array): void {
    this.load(packet);
    this.onPackets(this.datagram);
  }

  takeSent(): Sent[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  takeDelivered(): Uint8Array[] {
    const { delivered } = this;
    this.delivered = [];
    return delivered;
  }

  private load(bytes: Uint8Array): void {
    this.datagram.buffer.set(bytes, HEADROOM);
    this.datagram.lengths[0] = bytes.length;
  }

  private makeUdp(socket: SocketId): Udp {
    return {
      local: { address: 0, port: 0 },
      counters: { ...NO_COUNTERS },
      start: (onDatagrams) => void (this.receivers[socket] = onDatagrams),
      send: (buffer, offset, length, address, port) =>
        void this.sent.push({ bytes: buffer.slice(offset, offset + length), socket, address, port }),
      flush: () => {},
      mergeRuns: () => {},
      close: () => {},
    };
  }

  private makeTun(): Tun {
    return {
      name: '',
      counters: { ...NO_COUNTERS },
      start: (onPackets) => void (this.onPackets = onPackets),
      write: (buffer, offset, length) => void this.delivered.push(buffer.slice(offset, offset + length)),
      flush: () => {},
      close: () => {},
    };
  }

  private makeRaw(): RawIpv6 {
    return {
      failures: {},
      send: (buffer, offset, length) => this.delivered.push(buffer.slice(offset, offset + length)) > 0,
      close: () => {},
    };
  }
}

/** Not unpredictable, and it need not be: no octet that depends on it leaves the process. The system's entropy is left alone. */
export function rehearsalEntropy(): Entropy {
  let last = 1;
  return {
    fill: (target) => {
      for (let i = 0; i < target.length; i++) {
        last = (Math.imul(last, 1_664_525) + 1_013_904_223) >>> 0;
        target[i] = last >>> 24;
      }
    },
  };
}

class RehearsalClock implements Clock {
  private time = 1_000;
  private timer: { readonly at: number; readonly fn: () => void } | undefined;

  now(): number {
    return this.time;
  }

  suspended(): number {
    return 0;
  }

  /** A driver has one timer. */
  setTimer(at: number, fn: () => void): () => void {
    const timer = { at, fn };
    this.timer = timer;
    return () => {
      if (this.timer === timer) this.timer = undefined;
    };
  }

  pass(milliseconds: number): void {
    this.time += milliseconds;
    const { timer } = this;
    if (timer === undefined || timer.at > this.time) return;
    this.timer = undefined;
    timer.fn();
  }
}

/** Of one datagram or packet. */
function makeBatch() {
  return {
    count: 1,
    buffer: new Uint8Array(HEADROOM + ROOM),
    offsets: Uint32Array.of(HEADROOM),
    lengths: new Uint32Array(1),
    addresses: new Uint32Array(1),
    ports: new Uint16Array(1),
    tos: new Uint8Array(1),
  };
}

const NO_COUNTERS = {
  receivedDatagrams: 0,
  receivedBytes: 0,
  receiveOverflows: 0,
  receiveFailures: {},
  sentDatagrams: 0,
  sentBytes: 0,
  sendFailures: {},
  readPackets: 0,
  readBytes: 0,
  writtenPackets: 0,
  writtenBytes: 0,
  readFailures: {},
  markedPackets: 0,
  writeFailures: {},
};
