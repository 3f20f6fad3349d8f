import { AccessList } from '../../core/access-list.ts';
import { AddressPolicy } from '../../core/address-policy.ts';
import { SERVER_COUNTERS, SERVER_SOCKET } from '../../core/server/index.ts';
import type { ServerMachine, SharedWork } from '../../core/server/index.ts';
import { EnvironmentError } from '../../io/errors.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import type { CancelTimer } from '../../io/ports.ts';
import { refusalOf } from '../../io/refusable.ts';
import type { WorkerPorts } from '../../io/workers/worker-ports.ts';
import type { ParentThread } from '../../io/workers/worker-thread.ts';
import { TEREDO_PORT } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { Driver } from '../driver.ts';
import { FailureWarnings } from '../failure-warnings.ts';
import { makeServerMachine } from '../server-machine.ts';
import { keyOf } from '../server-keys.ts';
import type { ServerKeys } from '../server-keys.ts';
import type {
  FromServerWorker,
  ServerWorkerData,
  ServerWorkerState,
  ToServerWorker,
} from './server-messages.ts';

/** How long a report waits for more to report. */
const REPORT_MS = 250;

/** A worker of a server: a machine of its own, with its sockets. It shares nothing with the others but memory that only it writes. */
export class ServerWorkerPart {
  private readonly parent: ParentThread<ServerWorkerData>;
  private readonly ports: PortFactory;
  private readonly machine: ServerMachine;
  private readonly driver: Driver;
  private readonly policy: AddressPolicy;
  private readonly warnings: FailureWarnings;
  private readonly shown: Float64Array;
  private keys: ServerKeys | undefined;
  private parts: Readonly<Record<SharedWork, number>> = { answers: 1, forwarded: 1 };
  private cancelReport: CancelTimer | undefined;

  constructor(parent: ParentThread<ServerWorkerData>, ports: PortFactory) {
    const { settings, access, limits, keys, subnets, counters, parts } = parent.data;
    this.parent = parent;
    this.ports = ports;
    this.keys = keys;
    this.shown = new Float64Array(counters);
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
    this.driver.onSettled = () => this.show();
    this.warnings = new FailureWarnings(ports.clock, (message) => this.post({ type: 'warning', message }));
  }

  /** Serves from now on, or says why it cannot. */
  start(): void {
    this.parent.onMessage((message) => this.handle(message as ToServerWorker));
    try {
      this.open(this.parent.data, this.ports.workers!);
      this.post({ type: 'ready' });
    } catch (error) {
      const reason = refusalOf(error) as Error;
      const code = reason instanceof EnvironmentError ? reason.code : undefined;
      this.post({ type: 'refused', code, message: reason.message });
    }
  }

  private open({ settings, primary, secondary }: ServerWorkerData, workers: WorkerPorts): void {
    const { driver } = this;
    const adopt = (other: number, address: Ipv4) => workers.adoptUdp(other, { address, port: TEREDO_PORT });
    driver.attachUdp(SERVER_SOCKET.primary, adopt(primary, settings.address));
    if (secondary !== undefined)
      driver.attachUdp(SERVER_SOCKET.secondary, adopt(secondary, settings.secondary!));
    if (settings.native ?? true) driver.attachRaw(this.ports.openRawIpv6());
  }

  private handle(message: ToServerWorker): void {
    if (message.type === 'ping') this.post({ type: 'pong' });
    else if (message.type === 'change') this.change(message.state);
    else this.close();
  }

  private change({ access, limits, parts, keys, subnets }: Partial<ServerWorkerState>): void {
    if (access !== undefined) this.machine.setAccess(new AccessList(access));
    if (limits !== undefined) this.machine.setLimits(limits);
    if (parts !== undefined) this.setParts(parts);
    if (keys !== undefined) this.keys = keys;
    if (subnets !== undefined) this.policy.setSubnets(subnets);
  }

  /** A limit whose part stays keeps its counts. */
  private setParts(parts: Readonly<Record<SharedWork, number>>): void {
    for (const work of ['answers', 'forwarded'] as const)
      if (parts[work] !== this.parts[work]) this.machine.takePart(work, parts[work]);
    this.parts = parts;
  }

  /** After each batch of inputs. */
  private show(): void {
    const { counters } = this.machine;
    for (const [i, name] of SERVER_COUNTERS.entries()) this.shown[i] = counters[name];
    const { clock } = this.ports;
    this.cancelReport ??= clock.setTimer(clock.now() + REPORT_MS, () => this.report());
  }

  private report(): void {
    this.cancelReport?.();
    this.cancelReport = undefined;
    const { limitHits } = this.machine;
    const limits = [...limitHits.pending()].map(({ limit }) => limitHits.take(limit));
    this.post({ type: 'report', portCounters: this.driver.portCounters, limits });
  }

  private close(): void {
    this.report();
    this.warnings.close();
    this.driver.close();
    this.parent.close();
  }

  private post(message: FromServerWorker): void {
    this.parent.post(message);
  }
}
