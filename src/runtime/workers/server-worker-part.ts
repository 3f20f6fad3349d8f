import { AccessList } from '../../core/access-list.ts';
import { AddressPolicy } from '../../core/address-policy.ts';
import { SERVER_COUNTERS, SERVER_SOCKET } from '../../core/server/index.ts';
import type { ServerMachine, SharedWork } from '../../core/server/index.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import type { ParentThread } from '../../io/workers/worker-thread.ts';
import { TEREDO_PORT } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { Driver } from '../driver.ts';
import { makeServerMachine } from '../server-machine.ts';
import { keyOf } from '../server-keys.ts';
import type { ServerKeys } from '../server-keys.ts';
import type { ServerWorkerData, ServerWorkerState } from './server-messages.ts';
import { rehearseClient } from '../warming/rehearse-client.ts';
import { warmUp } from '../warming/warm-up.ts';
import { WorkerSide } from './worker-side.ts';
import type { WorkerWork } from './worker-side.ts';

/** A worker of a server: a machine of its own, with its sockets. */
export class ServerWorkerPart implements WorkerWork<ServerWorkerState> {
  readonly driver: Driver;
  private readonly data: ServerWorkerData;
  private readonly ports: PortFactory;
  private readonly machine: ServerMachine;
  private readonly policy: AddressPolicy;
  private readonly side: WorkerSide<ServerWorkerState>;
  private keys: ServerKeys | undefined;
  private parts: Readonly<Record<SharedWork, number>> = { answers: 1, forwarded: 1 };

  constructor(parent: ParentThread<ServerWorkerData>, ports: PortFactory) {
    const { settings, access, limits, keys, subnets, counters, parts } = parent.data;
    this.data = parent.data;
    this.ports = ports;
    this.keys = keys;
    this.policy = new AddressPolicy({ allowPrivate: settings.allowPrivate ?? false, subnets });
    const machineParts = {
      policy: this.policy,
      keys: keys && keyOf(() => this.keys),
      access: new AccessList(access),
      limits,
    };
    this.machine = makeServerMachine(settings, machineParts, ports.entropy);
    this.setParts(parts);
    this.driver = new Driver(this.machine, ports.clock, () => {});
    this.side = new WorkerSide(parent, ports.clock, counters, this);
  }

  /** Serves from now on, or says why it cannot. */
  start(): void {
    warmUp(this.ports, rehearseClient);
    this.side.start();
  }

  get limitHits() {
    return this.machine.limitHits;
  }

  open(): void {
    const { driver, ports } = this;
    const { settings, primary, secondary } = this.data;
    const adopt = (other: number, address: Ipv4) =>
      ports.workers!.adoptUdp(other, { address, port: TEREDO_PORT });
    driver.attachUdp(SERVER_SOCKET.primary, adopt(primary, settings.address));
    if (secondary !== undefined)
      driver.attachUdp(SERVER_SOCKET.secondary, adopt(secondary, settings.secondary!));
    if (settings.native ?? true) driver.attachRaw(ports.openRawIpv6());
  }

  change({ access, limits, parts, keys, subnets }: Partial<ServerWorkerState>): void {
    if (access !== undefined) this.machine.setAccess(new AccessList(access));
    if (limits !== undefined) this.machine.setLimits(limits);
    if (parts !== undefined) this.setParts(parts);
    if (keys !== undefined) this.keys = keys;
    if (subnets !== undefined) this.policy.setSubnets(subnets);
  }

  show(shown: Float64Array): void {
    const { counters } = this.machine;
    for (const [i, name] of SERVER_COUNTERS.entries()) shown[i] = counters[name];
  }

  /** A limit whose part stays keeps its counts. */
  private setParts(parts: Readonly<Record<SharedWork, number>>): void {
    for (const work of ['answers', 'forwarded'] as const)
      if (parts[work] !== this.parts[work]) this.machine.takePart(work, parts[work]);
    this.parts = parts;
  }
}
