import type { LimitHits } from '../../core/limit-hits.ts';
import { SERVER_COUNTERS } from '../../core/server/index.ts';
import { EnvironmentError } from '../../io/errors.ts';
import type { PortFactory, UdpOptions } from '../../io/port-factory.ts';
import type { CancelTimer, Udp } from '../../io/ports.ts';
import type { WorkerPorts, WorkerThread } from '../../io/workers/worker-ports.ts';
import type { PortCounters } from '../port-counters.ts';
import type { PlainServerSettings } from '../server-machine.ts';
import type {
  FromServerWorker,
  ServerWorkerData,
  ServerWorkerState,
  ToServerWorker,
} from './server-messages.ts';

/** Each worker is asked this often whether it still works. */
const PING_MS = 5_000;
/** One that has not answered so many questions in a row hangs. A busy machine delays answers by seconds. */
const UNANSWERED = 6;
/** How long workers have to end, until nobody waits for them any more. */
const END_MS = 2_000;

interface Handlers {
  /** A worker has ended or hangs: a part of the clients is not served any more. Called at most once. */
  onLost(reason: Error): void;
  onWarning(message: string): void;
  /** Limits that the workers have reached were added to the count. */
  onLimit(): void;
}

/** The workers of a server beside its first thread, which starts them, divides the datagrams among all, and adds up what they report. */
export class ServerWorkers {
  private readonly ports: WorkerPorts;
  private readonly clock: PortFactory['clock'];
  private readonly handlers: Handlers;
  private readonly hits: LimitHits;
  private readonly count: number;
  private readonly key: number;
  private readonly workers: RunningWorker[] = [];
  private readonly sockets: number[][] = [];
  private cancelPing: CancelTimer | undefined;
  private isClosed = false;
  private isLost = false;

  /** `count`: of all threads, the first one included. `hits` gets the limits that the others reach. */
  constructor(ports: PortFactory, count: number, hits: LimitHits, handlers: Handlers) {
    if (ports.workers === undefined)
      throw new EnvironmentError('system', 'these ports have no threads: one worker only');
    this.ports = ports.workers;
    this.clock = ports.clock;
    this.handlers = handlers;
    this.hits = hits;
    this.count = count;
    const key = new Uint8Array(4);
    ports.entropy.fill(key);
    this.key = new DataView(key.buffer).getUint32(0);
  }

  /** Opens the port for all threads; returns the first one's socket. The first call is for the primary address, the second for the other one. */
  openUdp(options: UdpOptions): Udp {
    const { own, others } = this.ports.openSharedUdp(options, this.count, this.key);
    this.sockets.push([...others]);
    return own;
  }

  /** Resolves when all work. Rejects with the reason of the first that cannot. */
  async start(settings: PlainServerSettings, state: ServerWorkerState): Promise<void> {
    const [primary, secondary] = this.sockets;
    for (let i = 0; i < this.count - 1; i++) {
      const counters = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT * SERVER_COUNTERS.length);
      const data: ServerWorkerData = {
        ...state,
        settings,
        primary: primary![0]!,
        secondary: secondary?.[0],
        counters,
      };
      const thread = this.ports.startThread('server-worker', data);
      primary!.shift(); // the thread's own from now on
      secondary?.shift();
      this.workers.push(new RunningWorker(thread, counters));
    }
    await Promise.all(this.workers.map((worker, i) => this.follow(worker, i + 2)));
    this.pingLater();
  }

  /** To all workers. */
  change(state: Partial<ServerWorkerState>): void {
    for (const { thread } of this.workers) post(thread, { type: 'change', state });
  }

  /** Packets of all workers by verdict and reason, without the first thread's. */
  get counters(): Readonly<Record<string, number>> {
    const sum: Record<string, number> = {};
    for (const [at, name] of SERVER_COUNTERS.entries())
      sum[name] = this.workers.reduce((total, { shown }) => total + shown[at]!, 0);
    return sum;
  }

  /** Datagrams that each has received, without the first thread. */
  get received(): number[] {
    const at = SERVER_COUNTERS.indexOf('receivedDatagrams');
    return this.workers.map(({ shown }) => shown[at]!);
  }

  get portCounters(): PortCounters {
    const sum: PortCounters = {};
    for (const { portCounters } of this.workers)
      for (const [name, count] of Object.entries(portCounters)) sum[name] = (sum[name] ?? 0) + count;
    return sum;
  }

  /** Resolves when they have ended, with their last reports added. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.cancelPing?.();
    for (const others of this.sockets) for (const other of others) this.ports.discard(other);
    for (const { thread } of this.workers) post(thread, { type: 'close' });
    await Promise.all(this.workers.map(({ thread }) => thread.ended(END_MS)));
  }

  private follow(worker: RunningWorker, number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const lost = (reason: Error): void => {
        const error = new Error(`worker ${number} of ${this.count}: ${reason.message}`);
        reject(error);
        this.lose(error);
      };
      worker.lose = lost;
      worker.thread.start((message) => {
        const from = message as FromServerWorker;
        worker.unanswered = 0;
        if (from.type === 'ready') resolve();
        else if (from.type === 'refused') reject(refused(from));
        else if (from.type === 'warning') this.handlers.onWarning(from.message);
        else if (from.type === 'report') this.add(worker, from);
      }, lost);
    });
  }

  private add(
    worker: RunningWorker,
    { portCounters, limits }: Extract<FromServerWorker, { type: 'report' }>,
  ): void {
    worker.portCounters = portCounters;
    for (const report of limits) this.hits.add(report);
    if (limits.length > 0) this.handlers.onLimit();
  }

  private pingLater(): void {
    this.cancelPing = this.clock.setTimer(this.clock.now() + PING_MS, () => {
      for (const worker of this.workers) {
        if (worker.unanswered >= UNANSWERED)
          worker.lose(new Error(`it has not answered for ${(UNANSWERED * PING_MS) / 1_000} s`));
        worker.unanswered++;
        post(worker.thread, { type: 'ping' });
      }
      if (!this.isClosed) this.pingLater();
    });
  }

  private lose(reason: Error): void {
    if (this.isClosed || this.isLost) return;
    this.isLost = true;
    this.handlers.onLost(reason);
  }
}

class RunningWorker {
  readonly thread: WorkerThread;
  readonly shown: Float64Array;
  portCounters: PortCounters = {};
  /** Questions since its last message. */
  unanswered = 0;
  lose: (reason: Error) => void = () => {};

  constructor(thread: WorkerThread, counters: SharedArrayBuffer) {
    this.thread = thread;
    this.shown = new Float64Array(counters);
  }
}

function refused({ code, message }: Extract<FromServerWorker, { type: 'refused' }>): Error {
  return code === undefined ? new Error(message) : new EnvironmentError(code, message);
}

function post(thread: WorkerThread, message: ToServerWorker): void {
  thread.post(message);
}
