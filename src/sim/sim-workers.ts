import type { ClientMachine } from '../core/client/index.ts';
import type { CommandExecutor } from '../core/commands.ts';
import { trafficAt } from '../core/offload/carried.ts';
import type { Carried } from '../core/offload/carried.ts';
import type { CarriedIn, OuterSource, OuterWay } from '../core/offload/carrier.ts';
import { CarryingWorker } from '../core/offload/carrying-worker.ts';
import type { SocketId } from '../core/socket-id.ts';
import { DESTINATION, IPV6_HEADER, SOURCE, fromHex, toHex } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import type { PeerCarrier } from './machine-node.ts';
import type { SeededEntropy } from './seeded-entropy.ts';
import type { World } from './world.ts';

/** A message between two threads takes so long. */
const MESSAGE_MS = 1;
/** Peers that a worker can have. */
const MOST = 1_024;
const SERVICE: SocketId = 0;

/** How the first thread of a simulated client takes a report. */
export type Request = (make: (now: number) => void) => void;

/** The workers of a client beside its first, in the place of a kernel path. What they leave comes to the machine at once. */
export class SimWorkers implements PeerCarrier {
  /** Reports are handed over by the workers themselves. */
  readonly hasReports = false;
  private readonly world: World;
  private readonly machine: ClientMachine;
  private readonly request: Request;
  private readonly workers: readonly CarryingWorker[];
  /** Of each peer that is given to a worker. */
  private readonly workerOf = new Map<string, CarryingWorker>();
  private given = 0;
  private isLeft = false;
  private sent: OuterWay | undefined;
  private delivered = false;

  /** `count`: of all workers; the peers of the first are not given to it. */
  constructor(world: World, machine: ClientMachine, count: number, entropy: SeededEntropy, request: Request) {
    this.world = world;
    this.machine = machine;
    this.request = request;
    this.workers = Array.from({ length: count - 1 }, () => this.makeWorker(entropy));
  }

  /** Packets that the workers have carried, in both directions. */
  get carried(): number {
    const of = ({ counters }: CarryingWorker): number => counters.deliveredPackets + counters.sentPackets;
    return this.workers.reduce((sum, worker) => sum + of(worker), 0);
  }

  setOwn(address: Ipv6 | undefined): void {
    for (const worker of this.workers) worker.setOwn(address);
  }

  hasSocket(): boolean {
    return false;
  }

  closeSocket(): void {}

  /** The next one of all workers has it, the first one included. */
  offload(buffer: Uint8Array, offset: number, way: OuterWay, heardAt: number, now: number): void {
    const peer = buffer.slice(offset, offset + 16);
    const key = toHex(peer, 0, 16);
    if (way.socket !== SERVICE) return this.unload(peer, 0);
    let worker = this.workerOf.get(key);
    if (worker === undefined) {
      worker = this.workers[this.given++ % (this.workers.length + 1)];
      if (worker === undefined) return;
      this.workerOf.set(key, worker);
    }
    worker.give(peer, way, heardAt, now);
  }

  unload(buffer: Uint8Array, offset: number): void {
    const key = toHex(buffer, offset, offset + 16);
    this.workerOf.get(key)?.takeBack(buffer.slice(offset, offset + 16));
    this.workerOf.delete(key);
  }

  clear(): void {
    for (const [key, worker] of this.workerOf) worker.takeBack(fromHex(key)!);
    this.workerOf.clear();
  }

  carryOut(b: Uint8Array, start: number, end: number, now: number): OuterWay | undefined {
    const worker = this.workerOf.get(toHex(b, start + DESTINATION, start + DESTINATION + 16));
    if (worker === undefined) return undefined;
    this.isLeft = false;
    this.run(worker, () => worker.handlePacket(b, start, end, now));
    return this.isLeft ? undefined : this.sent;
  }

  carryIn(b: Uint8Array, start: number, end: number, from: OuterSource, now: number): CarriedIn {
    if (end - start < IPV6_HEADER) return 'left';
    const worker = this.workerOf.get(toHex(b, start + SOURCE, start + SOURCE + 16));
    if (worker === undefined) return 'left';
    const { address, port, tos } = from;
    [this.isLeft, this.delivered] = [false, false];
    this.run(worker, () => worker.handleDatagram(SERVICE, b, start, end, address, port, now, tos));
    if (this.isLeft) return 'left';
    return this.delivered ? 'carried' : 'dropped';
  }

  takeReports(): Carried {
    const none = new Float64Array(0);
    const traffic = { receivedPackets: none, receivedBytes: none, sentPackets: none, sentBytes: none };
    return { count: 0, buffer: new Uint8Array(0), receivedAt: none, sentAt: none, ...traffic };
  }

  private makeWorker(entropy: SeededEntropy): CarryingWorker {
    return new CarryingWorker(MOST, entropy, {
      took: () => {},
      gaveUp: (peer) => void this.workerOf.delete(toHex(peer, 0, 16)),
      carried: (report) => void this.world.after(MESSAGE_MS, () => this.tell(report)),
      leftDatagram: () => (this.isLeft = true),
      leftPacket: () => (this.isLeft = true),
    });
  }

  private run(worker: CarryingWorker, handle: () => void): void {
    handle();
    worker.commands.drain(this.executor);
    const at = worker.pollTimeout();
    if (at !== Infinity)
      this.world.after(Math.max(0, at - this.world.now), () => worker.handleTimeout(this.world.now));
  }

  private readonly executor: CommandExecutor = {
    transmit: (socket, _buffer, _start, _end, address, port) => (this.sent = { socket, address, port }),
    deliver: () => (this.delivered = true),
    offload: () => {},
    unload: () => {},
    event: () => {},
  };

  private tell(report: Carried): void {
    const { machine } = this;
    const { buffer, receivedAt, sentAt } = report;
    for (let i = 0; i < report.count; i++) {
      const traffic = trafficAt(report, i);
      this.request((now) => machine.handleCarried(buffer, 16 * i, receivedAt[i]!, sentAt[i]!, now, traffic));
      if (sentAt[i] !== -Infinity) this.request((now) => machine.handleSentElsewhere(buffer, 16 * i, now));
    }
  }
}
