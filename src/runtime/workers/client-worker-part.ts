import { SOCKET } from '../../core/client/index.ts';
import type { Carried } from '../../core/offload/carried.ts';
import { CarryingWorker } from '../../core/offload/carrying-worker.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import type { ParentThread } from '../../io/workers/worker-thread.ts';
import { Driver } from '../driver.ts';
import type { PortCounters } from '../port-counters.ts';
import { sumOf } from '../port-counters.ts';
import { rehearseClientWorker } from '../warming/rehearse-client-worker.ts';
import { warmUp } from '../warming/warm-up.ts';
import { inAges } from './carried-ages.ts';
import type {
  ClientWorkerData,
  ClientWorkerState,
  FromClientWorker,
  PeerStep,
  ToClientWorker,
} from './client-messages.ts';
import { show } from './client-shown.ts';
import { LeftTraffic } from './left-traffic.ts';
import { WorkerSide } from './worker-side.ts';
import type { WorkerWork } from './worker-side.ts';

/** A worker of a client: carries the packets of the peers that the first thread gives to it, by a queue of the interface and a socket. */
export class ClientWorkerPart implements WorkerWork<ClientWorkerState> {
  readonly driver: Driver;
  readonly lingers = true;
  private readonly data: ClientWorkerData;
  private readonly parent: ParentThread<ClientWorkerData>;
  private readonly ports: PortFactory;
  private readonly machine: CarryingWorker;
  private readonly left: LeftTraffic;
  private readonly side: WorkerSide<ClientWorkerState>;

  constructor(parent: ParentThread<ClientWorkerData>, ports: PortFactory) {
    const { most, shown } = parent.data;
    this.data = parent.data;
    this.parent = parent;
    this.ports = ports;
    this.left = new LeftTraffic(ports.entropy);
    this.machine = new CarryingWorker(most, ports.entropy, {
      took: (peer) => this.post({ type: 'took', peer }),
      gaveUp: (peer) => this.post({ type: 'gave-up', peer }),
      carried: (report) => this.tellCarried(report),
      leftDatagram: (...left) => this.left.addDatagram(...left, this.driver.now),
      leftPacket: (...left) => this.left.addPacket(...left, this.driver.now),
    });
    this.driver = new Driver(this.machine, ports.clock, () => {});
    this.side = new WorkerSide(parent, ports.clock, shown, this);
  }

  /** Carries packets from now on, or says why it cannot. */
  start(): void {
    warmUp(this.ports, rehearseClientWorker);
    this.side.start();
  }

  get limitHits() {
    return this.machine.limitHits;
  }

  get portCounters(): PortCounters {
    return sumOf(this.driver.portCounters, this.left.counters);
  }

  open(): void {
    const { driver, ports, data } = this;
    const { address, port } = data;
    driver.attachUdp(SOCKET.service, ports.workers!.adoptUdp(data.udp, { address, port, runs: true }));
    // The first thread learns it, too, and ends the role.
    driver.attachTun(ports.workers!.adoptTun(data.tun, data.interface), () => {});
    this.machine.setOwn(data.own);
  }

  change(state: Partial<ClientWorkerState>): void {
    if ('own' in state) this.machine.setOwn(state.own);
  }

  show(shown: Float64Array): void {
    show(this.machine, shown);
    const left = this.left.take();
    if (left !== undefined) this.post(left);
  }

  hear(message: object): void {
    const heard = message as ToClientWorker;
    if (heard.type !== 'peers') return;
    this.driver.request((now) => {
      for (const step of heard.steps) this.follow(step, now);
    });
  }

  private follow({ peer, place }: PeerStep, now: number): void {
    if (place === undefined) this.machine.takeBack(peer);
    else this.machine.give(peer, place, now - place.heardMsAgo, now);
  }

  private tellCarried(report: Carried): void {
    this.post({ type: 'carried', report: inAges(report, this.driver.now) });
  }

  private post(message: FromClientWorker): void {
    this.parent.post(message);
  }
}
