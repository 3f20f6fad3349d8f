import { Carrier } from '../core/offload/carrier.ts';
import type { UnreportedTraffic } from '../core/peer-traffic.ts';
import type { Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';
import type { MemoryTun } from './memory-tun.ts';
import type { MemoryUdp } from './memory-udp.ts';
import type { CarriedPath, Clock, KernelPath, KernelPathHandlers, UplinkState } from './ports.ts';

/** How often reports are handed over, as in the kernel's adapter. */
const REPORT_INTERVAL_MS = 500;

/** The tunnel, and the sockets of its host. */
interface Ends {
  readonly tun: MemoryTun;
  /** That of the service port. */
  readonly udp: MemoryUdp;
  readonly socketAt: (localPort: number) => MemoryUdp | undefined;
}

/** Carries packets between a tunnel and sockets in memory; their readers do not see them. */
export class MemoryKernelPath implements KernelPath {
  private readonly carrier: Carrier;
  private readonly tun: MemoryTun;
  private readonly udp: MemoryUdp;
  private readonly socketAt: Ends['socketAt'];
  /** The sockets by which peers are carried, by port. */
  private readonly sockets = new Map<number, MemoryUdp>();
  private readonly clock: Clock;
  private readonly onClose: () => void;
  private handlers: KernelPathHandlers | undefined;
  private queue: (() => void)[] = [];
  private cancelReport: (() => void) | undefined;
  private closed = false;

  constructor(role: 'client' | 'relay', ends: Ends, clock: Clock, onClose: () => void) {
    this.carrier = new Carrier(role);
    this.tun = ends.tun;
    this.udp = ends.udp;
    this.socketAt = ends.socketAt;
    this.clock = clock;
    this.onClose = onClose;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.carrier.counters;
  }

  get uplinkStates(): readonly UplinkState[] {
    return [];
  }

  get size(): number {
    return this.carrier.size;
  }

  start(handlers: KernelPathHandlers): void {
    this.handlers = handlers;
    this.tun.carry = (packet) => this.carryOut(packet);
    this.use(this.udp);
  }

  setOwn(address: Ipv6 | undefined): void {
    this.carrier.setOwn(address?.slice());
  }

  setServed(prefixes: readonly Ipv6Prefix[]): void {
    this.carrier.setServed(prefixes);
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: Ipv4,
    port: number,
    heardAtMs: number,
    localPort = this.udp.local.port,
  ): void {
    const peer = buffer.slice(offset, offset + 16);
    this.queue.push(() => {
      const socket = this.socketAt(localPort);
      if (socket === undefined) return;
      this.use(socket);
      this.carrier.offload(peer, 0, { address, port, socket: localPort }, heardAtMs, this.clock.now());
    });
  }

  socketCloses(localPort: number): void {
    this.flush();
    const socket = this.sockets.get(localPort);
    if (socket !== undefined) socket.carry = undefined;
    this.sockets.delete(localPort);
    this.carrier.closeSocket(localPort);
  }

  unload(buffer: Uint8Array, offset: number): void {
    const peer = buffer.slice(offset, offset + 16);
    this.queue.push(() => this.carrier.unload(peer, 0));
  }

  refused(buffer: Uint8Array, offset: number): void {
    this.carrier.distrust(buffer, offset);
  }

  pathOf(peer: Ipv6): CarriedPath {
    const way = this.carrier.wayOf(peer);
    return way === 'inward' ? { way, reason: 'unproven' } : { way };
  }

  unreported(peer: Ipv6): UnreportedTraffic {
    return this.carrier.unreportedOf(peer);
  }

  *unreportedOctets(see: (peer: Ipv6, octets: number) => void): Generator<void> {
    for (const peer of this.carrier.peers) {
      const { receivedBytes, sentBytes } = this.carrier.unreportedOf(peer);
      see(peer, receivedBytes + sentBytes);
      yield;
    }
  }

  reportPeers(): void {
    this.report();
  }

  forget(): void {
    this.carrier.clear();
    this.report();
  }

  end(): void {
    this.forget();
    this.close();
  }

  flush(): void {
    const queue = this.queue;
    this.queue = [];
    if (this.closed) return;
    for (const step of queue) step();
    this.reportLater();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelReport?.();
    this.tun.carry = undefined;
    for (const socket of this.sockets.values()) socket.carry = undefined;
    this.onClose();
  }

  /** The host's routes have changed: all peers are forgotten. */
  reset(): void {
    if (this.closed) return;
    this.forget();
    this.handlers?.onReset();
  }

  /** Another program removes the kernel programs. */
  lose(reason: Error): void {
    if (this.closed) return;
    this.forget();
    const { handlers } = this;
    this.close();
    handlers?.onLost(reason);
  }

  private carryOut(packet: Uint8Array): boolean {
    const to = this.carrier.carryOut(packet, 0, packet.length, this.clock.now());
    if (to === undefined) return false;
    this.sockets.get(to.socket)?.sendNow(packet, to.address, to.port);
    this.reportLater();
    return true;
  }

  private use(socket: MemoryUdp): void {
    const { port } = socket.local;
    this.sockets.set(port, socket);
    socket.carry = (bytes, ...from) => this.carryIn(port, bytes, ...from);
  }

  private carryIn(socket: number, bytes: Uint8Array, address: Ipv4, port: number, tos: number): boolean {
    const from = { address, port, tos, socket };
    const verdict = this.carrier.carryIn(bytes, 0, bytes.length, from, this.clock.now());
    if (verdict === 'left') return false;
    if (verdict === 'carried') this.tun.writeNow(bytes);
    this.reportLater();
    return true;
  }

  private reportLater(): void {
    if (this.cancelReport !== undefined || !this.carrier.hasReports) return;
    this.cancelReport = this.clock.setTimer(this.clock.now() + REPORT_INTERVAL_MS, () => this.report());
  }

  report(): void {
    this.cancelReport?.();
    this.cancelReport = undefined;
    if (!this.carrier.hasReports) return;
    this.handlers?.onCarried(this.carrier.takeReports());
    this.handlers?.onTallies?.(this.carrier.takeTallies());
  }
}
