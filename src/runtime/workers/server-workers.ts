import type { LimitHits } from '../../core/limit-hits.ts';
import { SERVER_COUNTERS } from '../../core/server/index.ts';
import type { PortFactory, UdpOptions } from '../../io/port-factory.ts';
import type { Udp } from '../../io/ports.ts';
import type { PortCounters } from '../port-counters.ts';
import type { PlainServerSettings } from '../server-machine.ts';
import type { ServerWorkerData, ServerWorkerState } from './server-messages.ts';
import { WorkerGroup } from './worker-group.ts';
import type { GroupHandlers } from './worker-group.ts';

/** The workers of a server beside its first thread, which divides the datagrams among all. */
export class ServerWorkers {
  private readonly group: WorkerGroup;
  private readonly key: number;
  /** Of each address: those of the workers. */
  private readonly sockets: number[][] = [];

  /** `count`: of all threads, the first one included. `hits` gets the limits that the others reach. */
  constructor(ports: PortFactory, count: number, hits: LimitHits, handlers: GroupHandlers) {
    this.group = new WorkerGroup(ports, count, hits, handlers);
    const key = new Uint8Array(4);
    ports.entropy.fill(key);
    this.key = new DataView(key.buffer).getUint32(0);
  }

  /** Opens the port for all threads; returns the first one's socket. The first call is for the primary address, the second for the other one. */
  openUdp(options: UdpOptions): Udp {
    const { ports, count } = this.group;
    const { own, others } = ports.openSharedUdp(options, count, this.key);
    this.sockets.push([...others]);
    return own;
  }

  /** See {@link WorkerGroup.start}. */
  async start(settings: PlainServerSettings, state: ServerWorkerState): Promise<void> {
    const [primary, secondary] = this.sockets;
    await this.group.start('server-worker', SERVER_COUNTERS.length, (worker, counters) => {
      const sockets = { primary: primary![worker - 1]!, secondary: secondary?.[worker - 1] };
      const data: ServerWorkerData = { ...state, settings, ...sockets, counters };
      return { data, descriptors: Object.values(sockets).filter((one) => one !== undefined) };
    });
  }

  /** To all workers. */
  change(state: Partial<ServerWorkerState>): void {
    this.group.postAll({ type: 'change', state });
  }

  /** Packets of all workers by verdict and reason, without the first thread's. */
  get counters(): Readonly<Record<string, number>> {
    const sum: Record<string, number> = {};
    for (const [at, name] of SERVER_COUNTERS.entries())
      sum[name] = this.group.shown.reduce((total, shown) => total + shown[at]!, 0);
    return sum;
  }

  /** Datagrams that each has received, without the first thread. */
  get received(): number[] {
    const at = SERVER_COUNTERS.indexOf('receivedDatagrams');
    return this.group.shown.map((shown) => shown[at]!);
  }

  get portCounters(): PortCounters {
    return this.group.portCounters;
  }

  /** Resolves when they have ended, with their last reports added. */
  async close(): Promise<void> {
    const { group } = this;
    // A thread that has begun has its own.
    for (const others of this.sockets)
      for (const other of others.splice(group.started)) group.ports.discard(other);
    await group.close();
  }
}
