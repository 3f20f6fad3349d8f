import type { SocketId } from './socket-id.ts';
import type { MachineEvent } from './events.ts';
import { copyBytes } from '../wire/index.ts';

/** Carries out a machine's commands. It must not call the machine back from inside a method. */
export interface CommandExecutor {
  /** Send the UDP payload `buffer[start, end)` from `socket` to `address`:`port`. */
  transmit(
    socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void;
  /** Hand the IPv6 packet `buffer[start, end)` to the IPv6 side: the tunnel interface, or a server's raw socket. */
  deliver(buffer: Uint8Array, start: number, end: number): void;
  /**
   * The peer with the IPv6 address at `buffer[offset]` is trusted, and the machine received a packet from it at `heardAt` (ms), from
   * `address`:`port` by `socket`: the kernel path may carry its packets. Repeated with a later `heardAt` while the peer is heard.
   */
  offload(
    buffer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    heardAt: number,
    socket: SocketId,
  ): void;
  /** The kernel path gives this peer's packets to the machine again. */
  unload(buffer: Uint8Array, offset: number): void;
  /**
   * An event for the driver or the user: state, address, sockets wanted. False: the wanted socket could not be opened; datagrams from
   * it, and datagrams that name its port, are then not sent.
   */
  event(event: MachineEvent): boolean | void;
}

/**
 * The commands of one input, in order. Arrays are reused from input to input, so that carrying a packet allocates
 * nothing; only events are objects.
 */
export class CommandRing {
  private readonly kinds: Kind[] = [];
  private readonly buffers: (Uint8Array | undefined)[] = [];
  /** Six numbers for each command: socket, start, end, address, port, the socket whose port the datagram names. */
  private readonly numbers: number[] = [];
  private readonly events: MachineEvent[] = [];
  /** IPv6 addresses of the peers in offload and unload commands, 16 bytes each. */
  private addresses = new Uint8Array(16 * 16);
  private addressCount = 0;
  private count = 0;
  private named: SocketId = 0;
  /** Sockets that were wanted in this input and could not be opened. */
  private readonly missing: SocketId[] = [];

  /** Commands not yet drained. */
  get length(): number {
    return this.count;
  }

  // eslint-disable-next-line eslint/max-params -- the contract of machines: plain numbers, so that a datagram costs no object
  transmit(
    socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void {
    checkRange(buffer, start, end);
    const at = this.count++;
    this.kinds[at] = TRANSMIT;
    this.buffers[at] = buffer;
    const n = at * WIDTH;
    this.numbers[n] = socket;
    this.numbers[n + 1] = start;
    this.numbers[n + 2] = end;
    this.numbers[n + 3] = address;
    this.numbers[n + 4] = port;
    this.numbers[n + 5] = this.named;
  }

  /** Marks the datagrams that `send` transmits as naming the port of this socket; 0: of none. */
  naming<T>(socket: SocketId, send: () => T): T {
    this.named = socket;
    try {
      return send();
    } finally {
      this.named = 0;
    }
  }

  deliver(buffer: Uint8Array, start: number, end: number): void {
    checkRange(buffer, start, end);
    const at = this.count++;
    this.kinds[at] = DELIVER;
    this.buffers[at] = buffer;
    const n = at * WIDTH;
    this.numbers[n] = 0;
    this.numbers[n + 1] = start;
    this.numbers[n + 2] = end;
    this.numbers[n + 3] = 0;
    this.numbers[n + 4] = 0;
  }

  /** The address is copied. */
  // eslint-disable-next-line eslint/max-params -- the contract of machines: an offer costs no object
  offload(
    buffer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    heardAt: number,
    socket: SocketId,
  ): void {
    checkRange(buffer, offset, offset + 16);
    const at = this.count++;
    this.kinds[at] = OFFLOAD;
    this.buffers[at] = undefined;
    const n = at * WIDTH;
    this.numbers[n] = this.keep(buffer, offset);
    this.numbers[n + 1] = heardAt;
    this.numbers[n + 2] = socket;
    this.numbers[n + 3] = address;
    this.numbers[n + 4] = port;
  }

  /** The address is copied. */
  unload(buffer: Uint8Array, offset: number): void {
    checkRange(buffer, offset, offset + 16);
    const at = this.count++;
    this.kinds[at] = UNLOAD;
    this.buffers[at] = undefined;
    const n = at * WIDTH;
    this.numbers[n] = this.keep(buffer, offset);
    this.numbers[n + 1] = this.numbers[n + 2] = this.numbers[n + 3] = this.numbers[n + 4] = 0;
  }

  event(event: MachineEvent): void {
    const at = this.count++;
    this.kinds[at] = EVENT;
    this.buffers[at] = undefined;
    const n = at * WIDTH;
    this.numbers[n] = this.events.push(event) - 1;
    this.numbers[n + 1] = this.numbers[n + 2] = this.numbers[n + 3] = this.numbers[n + 4] = 0;
  }

  /** Has `executor` carry out every command in order, and forgets them. */
  drain(executor: CommandExecutor): void {
    const { kinds, buffers, numbers, events, missing } = this;
    for (let at = 0; at < this.count; at++) {
      const n = at * WIDTH;
      const kind = kinds[at]!;
      switch (kind) {
        case TRANSMIT:
          if (missing.length > 0 && this.needs(n, missing)) break;
          executor.transmit(
            numbers[n]!,
            buffers[at]!,
            numbers[n + 1]!,
            numbers[n + 2]!,
            numbers[n + 3]!,
            numbers[n + 4]!,
          );
          break;
        case DELIVER:
          executor.deliver(buffers[at]!, numbers[n + 1]!, numbers[n + 2]!);
          break;
        case OFFLOAD:
          executor.offload(
            this.addresses,
            numbers[n]!,
            numbers[n + 3]!,
            numbers[n + 4]!,
            numbers[n + 1]!,
            numbers[n + 2]!,
          );
          break;
        case UNLOAD:
          executor.unload(this.addresses, numbers[n]!);
          break;
        case EVENT: {
          const event = events[numbers[n]!]!;
          if (executor.event(event) === false && event.type === 'socket-wanted') missing.push(event.socket);
          break;
        }
        default:
          kind satisfies never;
      }
      buffers[at] = undefined;
    }
    this.count = this.addressCount = 0;
    if (events.length > 0) events.length = 0;
    if (missing.length > 0) missing.length = 0;
  }

  /** Whether the datagram of this command is sent from one of these sockets, or names its port. */
  private needs(n: number, sockets: readonly SocketId[]): boolean {
    return sockets.includes(this.numbers[n]!) || sockets.includes(this.numbers[n + 5]!);
  }

  /** Copies an address; returns the offset of the copy. */
  private keep(buffer: Uint8Array, offset: number): number {
    const at = 16 * this.addressCount++;
    if (at === this.addresses.length) {
      const wider = new Uint8Array(2 * at);
      wider.set(this.addresses);
      this.addresses = wider;
    }
    copyBytes(buffer, offset, this.addresses, at, 16);
    return at;
  }
}

/**
 * A command must lie within its buffer. Throws a RangeError otherwise: an adapter would send octets that an earlier command has left in its
 * memory. Only a fault of this program can cause that, no input from a network.
 */
function checkRange(buffer: Uint8Array, start: number, end: number): void {
  if (start >= 0 && start <= end && end <= buffer.length) return;
  throw new RangeError(`a command for octets ${start} to ${end} of a buffer of ${buffer.length}`);
}

/** Numbers for each command in {@link CommandRing.numbers}. */
const WIDTH = 6;
const TRANSMIT = 0;
const DELIVER = 1;
const EVENT = 2;
const OFFLOAD = 3;
const UNLOAD = 4;
type Kind = typeof TRANSMIT | typeof DELIVER | typeof EVENT | typeof OFFLOAD | typeof UNLOAD;
