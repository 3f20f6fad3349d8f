import { CLIENT_LIMITS } from '../../core/client/index.ts';
import type { LimitHits } from '../../core/limit-hits.ts';
import type { Carried } from '../../core/offload/carried.ts';
import { equalBytes } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { PortFactory, UdpOptions } from '../../io/port-factory.ts';
import type { Clock, KernelPath, Tun } from '../../io/ports.ts';
import type { PeerTunnel } from '../../io/workers/worker-ports.ts';
import type { PortCounters } from '../port-counters.ts';
import { inAges } from './carried-ages.ts';
import type { ClientWorkerData, FromClientWorker, LeftMessage, PeerStep } from './client-messages.ts';
import { SHOWN_NUMBERS } from './client-shown.ts';
import { GivenPeers } from './given-peers.ts';
import { WorkerGroup } from './worker-group.ts';
import type { GroupHandlers } from './worker-group.ts';

export interface ClientWorkersHandlers extends Omit<GroupHandlers, 'onOther'> {
  /** The first thread has to judge them. */
  onLeft(left: LeftMessage): void;
  /** Packets were carried; the machine has heard of it. */
  onCarried(report: Carried): void;
}

/** The workers of a client beside its first thread, which gives peers to them. */
export class ClientWorkers {
  private readonly group: WorkerGroup;
  private readonly clock: Clock;
  private readonly handlers: ClientWorkersHandlers;
  private readonly most: number;
  private opened: PeerTunnel | undefined;
  private given: GivenPeers | undefined;
  private own: Ipv6 | undefined;

  /** `count`: of all threads, the first one included. `trusted`: the limit of trusted peers. */
  constructor(
    ports: PortFactory,
    count: number,
    trusted: number,
    hits: LimitHits,
    handlers: ClientWorkersHandlers,
  ) {
    this.group = new WorkerGroup(ports, count, hits, {
      onLost: (reason) => handlers.onLost(reason),
      onWarning: (message) => handlers.onWarning(message),
      onLimit: () => handlers.onLimit(),
      onOther: (from, message) => this.hear(from, message as FromClientWorker),
    });
    this.clock = ports.clock;
    this.handlers = handlers;
    // The limit may be raised; peers that find no room stay in the first thread.
    this.most = Math.max(trusted, CLIENT_LIMITS.peers.trusted);
  }

  /** Opens the interface and the port for all threads; returns the first one's. */
  open(name: string, options: UdpOptions): PeerTunnel {
    const { ports, count } = this.group;
    this.opened = ports.openPeerTunnel(name, options, count, this.most);
    return this.opened;
  }

  /** The first thread's queue of the interface, once it is opened. */
  get tun(): Tun | undefined {
    return this.opened?.tun;
  }

  /** Starts all; returns the way by which the machine gives peers to them. See {@link WorkerGroup.start}. */
  async start(own: Ipv6 | undefined, address: number): Promise<KernelPath> {
    const { group, clock, most } = this;
    const { tun, udp, others, sharing } = this.opened!;
    const { port } = udp.local;
    const post = (worker: number, steps: readonly PeerStep[]): void =>
      group.post(worker, { type: 'peers', steps });
    const given = new GivenPeers({ workers: group.count, clock, servicePort: port, sharing, post });
    this.given = given;
    this.own = own;
    await group.start('client-worker', SHOWN_NUMBERS, (worker, shown) => {
      const other = others[worker - 1]!;
      const data: ClientWorkerData = { own, interface: tun.name, address, port, most, ...other, shown };
      return { data, descriptors: [other.tun, other.udp] };
    });
    return given;
  }

  /** The client's address, while packets are carried. */
  setOwn(address: Ipv6 | undefined): void {
    const { own } = this;
    if (own === address || (own !== undefined && address !== undefined && equalBytes(own, 0, address, 0, 16)))
      return;
    this.own = address;
    this.group.postAll({ type: 'change', state: { own: address } });
  }

  /** The numbers that each shows (client-shown.ts). */
  get shown(): readonly Float64Array[] {
    return this.group.shown;
  }

  get portCounters(): PortCounters {
    return this.group.portCounters;
  }

  /**
   * Ends the threads; new packets go to the first one. Resolves when they have dealt with the packets that wait for them. Until then the first thread
   * works on: it gets those that they leave, and hears of those that they carry.
   */
  async drain(): Promise<void> {
    this.given?.close();
    await this.group.close();
  }

  /** Resolves when they have ended, with their last reports added. */
  async close(): Promise<void> {
    const { group, opened } = this;
    for (const { tun, udp } of opened?.others.slice(group.started) ?? []) {
      group.ports.discard(tun);
      group.ports.discard(udp);
    }
    opened?.tun.close();
    opened?.sharing.close();
    this.opened = undefined;
    await group.close();
  }

  private hear(from: number, message: FromClientWorker): void {
    if (message.type === 'took') this.given?.took(from, message.peer);
    else if (message.type === 'gave-up') this.given?.gaveUp(from, message.peer);
    else if (message.type === 'left') this.handlers.onLeft(message);
    else if (message.type === 'carried') {
      const report = inAges(message.report, this.clock.now());
      this.given?.carried(report);
      this.handlers.onCarried(report);
    }
  }
}
