import type {
  CancelTimer,
  CarriedBatch,
  Clock,
  DatagramBatch,
  KernelPath,
  PacketBatch,
  RawIpv6,
  Tun,
  Udp,
  UdpReceiver,
} from '../io/ports.ts';
import { trafficAt } from '../core/offload/carried.ts';
import { PREFIX_BYTES } from '../core/offload/prefix-tallies.ts';
import type { PrefixTallies } from '../core/offload/prefix-tallies.ts';
import type { CommandExecutor } from '../core/commands.ts';
import type { Machine, OffloadingMachine, SocketId } from '../core/machine.ts';
import type { MachineEvent } from '../core/events.ts';
import { DESTINATION, IPV6_HEADER, NEXT_HEADER, nextHeader } from '../wire/index.ts';
import { KernelQueue } from './kernel-queue.ts';
import { countRaw, countSystem, countTun, countUdp } from './port-counters.ts';
import type { PortCounters } from './port-counters.ts';
import { work } from '../io/in-place.ts';
import { InTurns } from '../io/kernel-path/in-turns.ts';
import { survive, systemFailures } from '../io/system-failures.ts';

/** With more packets in a batch the way through the event loop costs little for each, and larger batches come of it. adr/0040 */
const FEW = 4;

/**
 * One machine, its ports and one event loop: hands every input to the machine, carries out the commands, wakes it up when
 * it asked to be. The output of a whole batch of inputs is flushed once.
 */
export class Driver implements CommandExecutor {
  private readonly machine: Machine;
  private readonly clock: Clock;
  private readonly onEvent: (event: MachineEvent) => boolean | void;
  /** Wanted, and not to be had: the machine is to hear of it. */
  private readonly missing: SocketId[] = [];
  private readonly sockets: (Udp | undefined)[] = [];
  /** Those that have datagrams to send: of some hundreds one or two. */
  private readonly unflushed: Udp[] = [];
  private readonly receivers: UdpReceiver[] = [];
  /** Of sockets that are no longer attached. */
  private readonly past: PortCounters = {};
  /** Of the peers of a predecessor to the kernel path. */
  private readonly offering: InTurns;
  private kernelPath:
    | { readonly port: KernelPath; readonly machine: OffloadingMachine; readonly queue: KernelQueue }
    | undefined;
  private tun: Tun | undefined;
  private raw: RawIpv6 | undefined;
  private events: MachineEvent[] = [];
  private timerAt = Infinity;
  private cancelTimer: CancelTimer | undefined;
  private closed = false;
  /** Called after an input while limits have been reached that are not said yet. */
  onLimit: (() => void) | undefined;
  /** Called after each batch of inputs. */
  onSettled: (() => void) | undefined;

  /**
   * `onEvent` is called when the input that caused the event has been dealt with: it may make requests.
   * A socket that is wanted it gets to open at once; false: it could not be opened.
   */
  constructor(machine: Machine, clock: Clock, onEvent: (event: MachineEvent) => boolean | void) {
    this.machine = machine;
    this.clock = clock;
    this.onEvent = onEvent;
    this.offering = new InTurns(clock, survive);
  }

  get now(): number {
    return this.clock.now();
  }

  /** Operations and packets that the system refused or lost, of all ports so far. */
  get portCounters(): PortCounters {
    const all = { ...this.past };
    for (const udp of this.sockets) if (udp !== undefined) countUdp(all, udp);
    for (const receiver of this.receivers) countUdp(all, receiver);
    if (this.tun !== undefined) countTun(all, this.tun);
    if (this.raw !== undefined) countRaw(all, this.raw);
    countSystem(all, systemFailures());
    return all;
  }

  /** The machine's socket `socket` is `udp` from now on. Throws where it cannot be read from; it is closed then. */
  attachUdp(socket: SocketId, udp: Udp): void {
    this.sockets[socket] = udp;
    try {
      udp.start(
        (batch) => this.handleDatagrams(socket, batch),
        (buffer, offset, length) => this.handleRefused(buffer, offset, length),
      );
    } catch (error) {
      this.sockets[socket] = undefined;
      udp.close();
      throw error;
    }
  }

  /** Datagrams of `receiver` count as arrived on `socket`; nothing is sent through it. */
  attachReceiver(socket: SocketId, receiver: UdpReceiver): void {
    try {
      receiver.start((batch) => this.handleDatagrams(socket, batch));
    } catch (error) {
      receiver.close();
      throw error;
    }
    this.receivers.push(receiver);
  }

  /** Closes the socket that is attached as `socket`. */
  detachUdp(socket: SocketId): void {
    const udp = this.sockets[socket];
    if (udp === undefined) return;
    this.sockets[socket] = undefined;
    // First: its port may be another program's next.
    this.kernelPath?.port.socketCloses(udp.local.port);
    this.release(udp);
  }

  detachReceivers(): void {
    for (const receiver of this.receivers) this.release(receiver);
    this.receivers.length = 0;
  }

  private release(udp: UdpReceiver): void {
    udp.close();
    countUdp(this.past, udp);
  }

  /** `onLost`: the interface was removed under us. */
  attachTun(tun: Tun, onLost: (error: Error) => void): void {
    this.tun = tun;
    tun.start((batch) => this.handlePackets(batch), onLost);
  }

  attachRaw(raw: RawIpv6): void {
    this.raw = raw;
  }

  /**
   * Has trusted peers' packets carried by `port`, past `machine`, which is the one driven. `onLost`: it has ended, and
   * everything goes by way of the machine again.
   */
  attachKernelPath(port: KernelPath, machine: OffloadingMachine, onLost: (reason: Error) => void): void {
    const queue = new KernelQueue(port, this.clock);
    this.kernelPath = { port, machine, queue };
    port.start({
      onCarried: (batch) => this.handleCarried(machine, batch),
      onTallies: (batch) => this.handleTallies(machine, batch),
      onReset: () => this.request((now) => machine.handleOffloadReset(now)),
      onLost: (reason) => {
        if (this.kernelPath?.port !== port) return;
        this.detachKernelPath();
        onLost(reason);
      },
    });
    this.request(() => machine.setOffload(true));
    if (port.hasPredecessor !== true) return;
    // Meanwhile the programs of the predecessor carry.
    this.offering.begin(this.offerAll(machine, queue), () => port.takeOver?.());
  }

  private *offerAll(machine: OffloadingMachine, queue: KernelQueue): Generator<void> {
    const drain = (): void => {
      this.request(() => {});
      queue.flush();
    };
    for (const _ of machine.offerAll?.(this.clock.now()) ?? []) {
      drain();
      yield;
    }
    drain();
  }

  detachKernelPath(): void {
    const { kernelPath } = this;
    if (kernelPath === undefined) return;
    this.offering.cancel();
    kernelPath.queue.cancel();
    kernelPath.port.end();
    this.kernelPath = undefined;
    this.request(() => kernelPath.machine.setOffload(false));
  }

  /** Datagrams that another thread has received, and packets of the host that another thread has read, for this machine. */
  takeOver(socket: SocketId, datagrams: DatagramBatch, packets: PacketBatch): void {
    if (this.closed) return;
    if (datagrams.count > 0) this.handleDatagrams(socket, datagrams);
    if (packets.count > 0) this.handlePackets(packets);
  }

  /** Packets of the host that a predecessor has read. */
  handleLeft(packets: Iterable<Uint8Array>): void {
    if (this.closed) return;
    const now = this.clock.now();
    for (const packet of packets) {
      this.machine.handlePacket(packet, 0, packet.length, now);
      this.drain();
    }
    this.settle();
  }

  /** Makes a request of the machine, by its rules: drained and flushed afterwards. */
  request(make: (now: number) => void): void {
    if (this.closed) return;
    make(this.clock.now());
    this.drain();
    this.settle();
  }

  /** Stops everything and closes all ports. */
  close(): void {
    if (this.closed) return;
    this.tun?.close(); // packets that it has read already still leave
    this.closed = true;
    this.cancelTimer?.();
    this.offering.cancel();
    this.detachReceivers();
    this.kernelPath?.queue.cancel();
    this.kernelPath?.port.close();
    for (const udp of this.sockets) udp?.close();
    this.raw?.close();
  }

  transmit(
    socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void {
    const udp = this.sockets[socket];
    if (udp === undefined) return;
    udp.send(buffer, start, end - start, address, port);
    if (!this.unflushed.includes(udp)) this.unflushed.push(udp);
  }

  deliver(buffer: Uint8Array, start: number, end: number): void {
    if (this.tun !== undefined) this.tun.write(buffer, start, end - start);
    else this.raw?.send(buffer, start, end - start);
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    heardAt: number,
    socket: SocketId,
  ): void {
    const udp = this.sockets[socket];
    if (udp === undefined || this.kernelPath === undefined) return;
    this.kernelPath.port.offload(buffer, offset, address, port, heardAt, udp.local.port);
    this.kernelPath.queue.offered();
  }

  unload(buffer: Uint8Array, offset: number): void {
    if (this.kernelPath === undefined) return;
    this.kernelPath.port.unload(buffer, offset);
    this.kernelPath.queue.withdrawn();
  }

  event(event: MachineEvent): boolean {
    work.needsLoop();
    if (event.type !== 'socket-wanted') {
      this.events.push(event);
      return true;
    }
    // The next command may be to send from it.
    let isThere = false;
    survive(() => (isThere = this.onEvent(event) !== false));
    if (!isThere) this.missing.push(event.socket);
    return isThere;
  }

  /** Carries out the machine's commands. Sockets that it wanted and does not get are reported to it. */
  private drain(): void {
    const { machine, missing } = this;
    machine.commands.drain(this);
    while (missing.length > 0) {
      machine.socketFailed?.(missing.pop()!, this.clock.now());
      machine.commands.drain(this);
    }
  }

  private handleDatagrams(socket: SocketId, batch: DatagramBatch): void {
    if (batch.count > FEW) work.needsLoop();
    const { machine } = this;
    const now = this.clock.now();
    const { buffer, offsets, lengths, addresses, ports, tos } = batch;
    for (let i = 0; i < batch.count; i++) {
      const start = offsets[i]!;
      const end = start + lengths[i]!;
      machine.handleDatagram(socket, buffer, start, end, addresses[i]!, ports[i]!, now, tos[i]);
      this.drain();
    }
    this.settle();
  }

  /**
   * The kernel path sends nothing that the socket may not send. Only a datagram with a plain packet of data is one
   * it could carry; an indirect bubble names the peer, too, but goes to the server.
   */
  private handleRefused(buffer: Uint8Array, offset: number, length: number): void {
    if (length < IPV6_HEADER || buffer[offset]! >> 4 !== 6) return;
    if (nextHeader(buffer, offset) === NEXT_HEADER.NONE) return;
    this.kernelPath?.port.refused(buffer, offset + DESTINATION);
  }

  private handlePackets(batch: PacketBatch): void {
    if (batch.count > FEW) work.needsLoop();
    const { machine } = this;
    const now = this.clock.now();
    const { buffer, offsets, lengths } = batch;
    for (let i = 0; i < batch.count; i++) {
      const start = offsets[i]!;
      machine.handlePacket(buffer, start, start + lengths[i]!, now);
      this.drain();
    }
    this.settle();
  }

  private handleCarried(machine: OffloadingMachine, batch: CarriedBatch): void {
    if (this.closed) return;
    const now = this.clock.now();
    const { buffer, receivedAt, sentAt } = batch;
    for (let i = 0; i < batch.count; i++) {
      machine.handleCarried(buffer, 16 * i, receivedAt[i]!, sentAt[i]!, now, trafficAt(batch, i));
      this.drain();
    }
    this.settle();
  }

  /** A tally causes no command. */
  private handleTallies(machine: OffloadingMachine, { count, buffer, received, sent }: PrefixTallies): void {
    if (this.closed) return;
    const now = this.clock.now();
    for (let i = 0; i < count; i++)
      machine.handleTallies?.(buffer, PREFIX_BYTES * i, received[i]!, sent[i]!, now);
  }

  /** After a batch: send the queued packets, report the events, set the alarm. */
  private settle(): void {
    for (const udp of this.unflushed) udp.flush(); // in the order in which they were sent from
    while (this.unflushed.length > 0) this.unflushed.pop(); // quicker than to set the length
    this.tun?.flush();
    if (this.kernelPath !== undefined) {
      work.needsLoop();
      this.kernelPath.queue.settle();
    }
    work.carriedPackets();
    if (this.machine.limitHits.isPending || this.onSettled !== undefined) this.report();
    if (this.events.length > 0) {
      const events = this.events;
      this.events = [];
      for (const event of events) survive(() => void this.onEvent(event));
    }
    this.arm();
  }

  private report(): void {
    work.needsLoop();
    if (this.machine.limitHits.isPending) this.onLimit?.();
    this.onSettled?.();
  }

  private arm(): void {
    if (this.closed) return;
    const at = this.machine.pollTimeout();
    // Packets move most instants to later ones. To wake up too early is harmless, and costs less than a new timer for each packet.
    if (at >= this.timerAt) return;
    this.cancelTimer?.();
    this.timerAt = at;
    this.cancelTimer = at === Infinity ? undefined : this.clock.setTimer(at, () => this.wake());
  }

  private wake(): void {
    if (this.closed) return;
    this.timerAt = Infinity;
    this.cancelTimer = undefined;
    this.machine.handleTimeout(this.clock.now());
    this.drain();
    this.settle();
  }
}
