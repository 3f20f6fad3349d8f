import { AccessList } from '../../core/access-list.ts';
import { AddressPolicy } from '../../core/address-policy.ts';
import { RELAY_SOCKET } from '../../core/relay/index.ts';
import type { RelayMachine } from '../../core/relay/index.ts';
import { MOST_USERS } from '../../core/users/index.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import { SteeredUdp } from '../../io/workers/steered-udp.ts';
import type { ParentThread } from '../../io/workers/worker-thread.ts';
import { Driver } from '../driver.ts';
import { followHost, makeRelayMachine } from '../relay-machine.ts';
import { recordsOf } from './peer-records.ts';
import type { FromRelayWorker, RelayWorkerData, RelayWorkerState, ToRelayWorker } from './relay-messages.ts';
import { show } from './relay-shown.ts';
import { rehearseRelay } from '../warming/rehearse-relay.ts';
import { warmUp } from '../warming/warm-up.ts';
import { WorkerSide } from './worker-side.ts';
import type { WorkerWork } from './worker-side.ts';

/** A worker of a relay: a machine with some of the clients, a queue of the interface and a socket. */
export class RelayWorkerPart implements WorkerWork<RelayWorkerState> {
  readonly driver: Driver;
  private readonly data: RelayWorkerData;
  private readonly parent: ParentThread<RelayWorkerData>;
  private readonly ports: PortFactory;
  private readonly machine: RelayMachine;
  private readonly policy: AddressPolicy;
  private readonly side: WorkerSide<RelayWorkerState>;
  private udp: SteeredUdp | undefined;

  constructor(parent: ParentThread<RelayWorkerData>, ports: PortFactory) {
    const { settings, access, limits, host, subnets, shown } = parent.data;
    this.data = parent.data;
    this.parent = parent;
    this.ports = ports;
    this.policy = new AddressPolicy({ allowPrivate: settings.allowPrivate ?? false, subnets });
    this.machine = makeRelayMachine(settings, { host, policy: this.policy, access, limits }, ports.entropy);
    this.driver = new Driver(this.machine, ports.clock, () => {});
    this.side = new WorkerSide(parent, ports.clock, shown, this);
  }

  /** Carries packets from now on, or says why it cannot. */
  start(): void {
    warmUp(this.ports, rehearseRelay);
    this.side.start();
  }

  get limitHits() {
    return this.machine.limitHits;
  }

  open(): void {
    const { driver, ports, data } = this;
    const { worker, steering, address, settings } = data;
    const udp = ports.workers!.adoptUdp(data.udp, { address, port: settings.port, runs: true });
    this.udp = new SteeredUdp(udp, worker, steering, ports, (strays) =>
      this.post({ type: 'strays', ...strays }),
    );
    driver.attachUdp(RELAY_SOCKET.service, this.udp);
    // The first thread learns it, too, and ends the role.
    driver.attachTun(ports.workers!.adoptTun(data.tun, data.interface), () => {});
  }

  change({ access, limits, host, subnets }: Partial<RelayWorkerState>): void {
    const { driver, machine } = this;
    if (subnets !== undefined) this.policy.setSubnets(subnets);
    if (access !== undefined) driver.request((now) => machine.setAccess(new AccessList(access), now));
    if (limits !== undefined) machine.setLimits(limits);
    if (host !== undefined) followHost(machine, host);
  }

  show(shown: Float64Array): void {
    show(this.machine, shown);
  }

  hear(message: object): void {
    const question = message as ToRelayWorker;
    if (question.type === 'strays') this.udp?.inject(question.batch);
    else if (question.type === 'peers?') this.tellPeers(question.id, this.records());
    else if (question.type === 'users?') {
      const users = this.machine.usersOver(question.window, MOST_USERS, this.driver.now);
      this.post({ type: 'users', id: question.id, users });
    }
  }

  private records(): Generator<Uint8Array | undefined> {
    return recordsOf(this.machine.peers, this.ports.workers!.clockOffset);
  }

  /** One piece after the other, while packets are carried. */
  private tellPeers(id: number, records: Iterator<Uint8Array | undefined>): void {
    const { done, value } = records.next();
    if (done === true) this.post({ type: 'peers', id, records: new Uint8Array(0) });
    else if (value !== undefined) this.post({ type: 'peers', id, records: value });
    const { clock } = this.ports;
    if (done !== true) clock.setTimer(clock.now(), () => this.tellPeers(id, records));
  }

  private post(message: FromRelayWorker): void {
    this.parent.post(message);
  }
}
