import { HEADROOM } from '../core/machine.ts';
import type { Machine, OffloadingMachine, SocketId } from '../core/machine.ts';
import { trafficAt } from '../core/offload/carried.ts';
import type { Carrier } from '../core/offload/carrier.ts';
import type { CommandExecutor } from '../core/commands.ts';
import type { MachineEvent } from '../core/events.ts';
import type { UdpSocket } from './ipv4-host.ts';
import type { PacketHandler } from './ipv6-link.ts';
import type { ScheduledEvent } from './event-queue.ts';
import type { World } from './world.ts';

/** Carries packets past the machine. */
export type PeerCarrier = Pick<
  Carrier,
  | 'carryIn'
  | 'carryOut'
  | 'clear'
  | 'closeSocket'
  | 'hasReports'
  | 'hasSocket'
  | 'offload'
  | 'takeReports'
  | 'unload'
>;

const MAX_INPUT = 65_535;
/** Time between two reports of the kernel path. */
const REPORT_INTERVAL_MS = 500;
/** Overwrites an input's bytes after the drain, when the machine may no longer read them. */
const POISON = 0xdb;
/**
 * Inputs are handled one at a time, so all nodes share one buffer. A machine that keeps a reference to it then reads wrong bytes, and a test fails.
 */
const shared = new Uint8Array(HEADROOM + MAX_INPUT);

/**
 * Drives one machine exactly by its contract: after every input all commands are drained, then the next timeout is asked
 * once. An input's bytes are overwritten after the drain; a command's bytes are copied during it.
 */
export class MachineNode implements CommandExecutor {
  /** The events of the machine, oldest first, with their times. */
  readonly events: { readonly at: number; readonly event: MachineEvent }[] = [];
  private readonly world: World;
  private readonly machine: Machine;
  private readonly deliverTo: PacketHandler;
  private readonly onEvent: (event: MachineEvent) => void;
  private readonly sockets = new Map<SocketId, UdpSocket>();
  private kernelPath:
    | { readonly carrier: PeerCarrier; readonly machine: OffloadingMachine; readonly service: SocketId }
    | undefined;
  private isReportDue = false;
  private pendingEvents: MachineEvent[] = [];
  private timer: ScheduledEvent | undefined;
  private stopped = false;

  /** `onEvent` is called after the input that caused the event has been handled; for `socket-wanted`, at once. */
  constructor(
    world: World,
    machine: Machine,
    deliverTo: PacketHandler,
    onEvent: (event: MachineEvent) => void,
  ) {
    this.world = world;
    this.machine = machine;
    this.deliverTo = deliverTo;
    this.onEvent = onEvent;
  }

  /** From now on `carrier` carries the packets of offloaded peers, by the `service` socket and by those of single peers. */
  useKernelPath(carrier: PeerCarrier, machine: OffloadingMachine, service: SocketId): void {
    this.kernelPath = { carrier, machine, service };
  }

  /** The kernel path forgets all peers, like that of the kernel when interfaces or routes change. */
  resetKernelPath(): void {
    const { kernelPath } = this;
    if (kernelPath === undefined || this.stopped) return;
    kernelPath.carrier.clear();
    this.handOverReports();
    this.request((now) => kernelPath.machine.handleOffloadReset(now));
  }

  /** The machine's socket `id` is `socket` from now on; the one before is closed. */
  attach(id: SocketId, socket: UdpSocket): void {
    this.detach(id);
    this.sockets.set(id, socket);
  }

  detach(id: SocketId): void {
    if (id !== this.kernelPath?.service) this.kernelPath?.carrier.closeSocket(id);
    this.sockets.get(id)?.close();
    this.sockets.delete(id);
  }

  /** Switches the node off: the machine gets no more input. */
  stop(): void {
    this.stopped = true;
    for (const id of this.sockets.keys()) this.detach(id);
    if (this.timer !== undefined) this.timer.run = undefined;
  }

  handleDatagram(id: SocketId, payload: Uint8Array, address: number, port: number, tos = 0): void {
    const { kernelPath } = this;
    const isSeen = kernelPath?.service === id || kernelPath?.carrier.hasSocket(id) === true;
    if (kernelPath !== undefined && isSeen && !this.stopped) {
      const carried = payload.slice(); // a copy: the bytes of a datagram are never changed
      const { length } = carried;
      const verdict = kernelPath.carrier.carryIn(
        carried,
        0,
        length,
        { address, port, tos, socket: id },
        this.world.now,
      );
      if (verdict !== 'left') {
        if (verdict === 'carried') this.world.after(0, () => this.deliverTo(carried));
        this.reportLater();
        return;
      }
    }
    this.input(payload, (end, now) =>
      this.machine.handleDatagram(id, shared, HEADROOM, end, address, port, now, tos),
    );
  }

  readonly handlePacket: PacketHandler = (packet) => {
    const { kernelPath } = this;
    if (kernelPath !== undefined && !this.stopped) {
      const to = kernelPath.carrier.carryOut(packet, 0, packet.length, this.world.now);
      if (to !== undefined) {
        this.sockets.get(to.socket)?.send(packet.slice(), to.address, to.port);
        this.reportLater();
        return;
      }
    }
    this.input(packet, (end, now) => this.machine.handlePacket(shared, HEADROOM, end, now));
  };

  /** Makes a request to the machine, by the rules of its contract. */
  request<T>(make: (now: number) => T): T {
    const result = make(this.world.now);
    this.machine.commands.drain(this);
    this.settle();
    return result;
  }

  transmit(
    id: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void {
    this.sockets.get(id)?.send(buffer.slice(start, end), address, port);
  }

  deliver(buffer: Uint8Array, start: number, end: number): void {
    const packet = buffer.slice(start, end);
    // Not during the drain: the packet may lead to the next input of this machine.
    this.world.after(0, () => this.deliverTo(packet));
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    heardAt: number,
    socket: SocketId,
  ): void {
    if (!this.sockets.has(socket)) return;
    this.kernelPath?.carrier.offload(buffer, offset, { address, port, socket }, heardAt, this.world.now);
  }

  unload(buffer: Uint8Array, offset: number): void {
    this.kernelPath?.carrier.unload(buffer, offset);
    this.reportLater();
  }

  event(event: MachineEvent): void {
    this.events.push({ at: this.world.now, event });
    // The next command may send from this socket.
    if (event.type === 'socket-wanted') this.onEvent(event);
    else this.pendingEvents.push(event);
  }

  private reportLater(): void {
    if (this.isReportDue || this.kernelPath?.carrier.hasReports !== true) return;
    this.isReportDue = true;
    this.world.after(REPORT_INTERVAL_MS, () => {
      this.isReportDue = false;
      this.handOverReports();
    });
  }

  private handOverReports(): void {
    const { kernelPath } = this;
    if (kernelPath === undefined || this.stopped) return;
    const carried = kernelPath.carrier.takeReports();
    const { buffer, receivedAt, sentAt } = carried;
    for (let i = 0; i < carried.count; i++) {
      const traffic = trafficAt(carried, i);
      this.request((now) =>
        kernelPath.machine.handleCarried(buffer, 16 * i, receivedAt[i], sentAt[i], now, traffic),
      );
    }
  }

  private input(bytes: Uint8Array, handle: (end: number, now: number) => void): void {
    if (this.stopped || bytes.length > MAX_INPUT) return;
    const end = HEADROOM + bytes.length;
    shared.set(bytes, HEADROOM);
    handle(end, this.world.now);
    this.machine.commands.drain(this);
    shared.fill(POISON, 0, end);
    this.settle();
  }

  /** After the drain: sets the alarm and passes the events on. */
  private settle(): void {
    this.arm();
    if (this.pendingEvents.length === 0) return;
    const events = this.pendingEvents;
    this.pendingEvents = [];
    for (const event of events) this.onEvent(event);
  }

  /** An alarm that is too early only asks for the timeout again, so it need not be moved with each input. */
  private arm(): void {
    const wanted = this.machine.pollTimeout();
    if (wanted === Infinity || this.stopped) return;
    if (this.timer?.run !== undefined) {
      if (this.timer.at <= wanted) return;
      this.timer.run = undefined;
    }
    this.timer = this.world.at(wanted, () => this.wake());
  }

  private wake(): void {
    this.timer = undefined;
    if (this.machine.pollTimeout() > this.world.now) {
      this.arm();
      return;
    }
    this.machine.handleTimeout(this.world.now);
    this.machine.commands.drain(this);
    this.settle();
  }
}
