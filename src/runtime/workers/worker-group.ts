import type { LimitHits } from '../../core/limit-hits.ts';
import { EnvironmentError } from '../../io/errors.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import type { CancelTimer } from '../../io/ports.ts';
import type { WorkerKind, WorkerPorts, WorkerThread } from '../../io/workers/worker-ports.ts';
import type { PortCounters } from '../port-counters.ts';
import type { FromWorker } from './worker-messages.ts';

/** Each worker is asked this often whether it still works. */
const PING_MS = 5_000;
/** One that has not answered so many questions in a row hangs. A busy machine delays answers by seconds. */
const UNANSWERED = 6;
/** How long workers have to end, until nobody waits for them any more. */
const END_MS = 2_000;

export interface GroupHandlers {
  /** A worker has ended or hangs: a part of the clients is not served any more. Called at most once. */
  onLost(reason: Error): void;
  onWarning(message: string): void;
  /** Limits that the workers have reached were added to the count. */
  onLimit(): void;
  /** A message that only this role's workers have. `from`: the number of the worker, beginning with 1. */
  onOther?(from: number, message: object): void;
}

interface WorkersPart {
  readonly data: object;
  /** Those in `data` that it adopts. */
  readonly descriptors: readonly number[];
}

/** The workers of a role beside its first thread, which starts them and adds up what they report. */
export class WorkerGroup {
  readonly ports: WorkerPorts;
  /** Of all threads, the first one included. */
  readonly count: number;
  private readonly clock: PortFactory['clock'];
  private readonly handlers: GroupHandlers;
  private readonly hits: LimitHits;
  private readonly workers: RunningWorker[] = [];
  private cancelPing: CancelTimer | undefined;
  private isLost = false;
  private isClosed = false;
  private readonly closed: Promise<void>;
  private endStart: () => void = () => {};

  /** `hits` gets the limits that the workers reach. */
  constructor(ports: PortFactory, count: number, hits: LimitHits, handlers: GroupHandlers) {
    if (ports.workers === undefined)
      throw new EnvironmentError('system', 'these ports have no threads: one worker only');
    this.ports = ports.workers;
    this.clock = ports.clock;
    this.handlers = handlers;
    this.hits = hits;
    this.count = count;
    this.closed = new Promise((resolve) => (this.endStart = resolve));
  }

  /**
   * Starts all; each shows `numbers` numbers of its own in shared memory. `partOf`: for the worker with this number, beginning with 1. Resolves when
   * all work, or after {@link close}. Rejects with the reason of the first that cannot, or does not answer.
   */
  async start(
    kind: WorkerKind,
    numbers: number,
    partOf: (worker: number, shown: SharedArrayBuffer) => WorkersPart,
  ): Promise<void> {
    for (let i = 1; i < this.count; i++) {
      const shown = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT * numbers);
      const { data, descriptors } = partOf(i, shown);
      const thread = this.ports.startThread(kind, data, descriptors);
      this.workers.push(new RunningWorker(thread, shown));
    }
    const ready = this.workers.map((worker, i) => this.follow(worker, i + 1));
    this.pingLater();
    await Promise.race([Promise.all(ready), this.closed]);
  }

  /** How many have begun. */
  get started(): number {
    return this.workers.length;
  }

  /** What each shows. */
  get shown(): readonly Float64Array[] {
    return this.workers.map(({ shown }) => shown);
  }

  get portCounters(): PortCounters {
    const sum: PortCounters = {};
    for (const { portCounters } of this.workers)
      for (const [name, count] of Object.entries(portCounters)) sum[name] = (sum[name] ?? 0) + count;
    return sum;
  }

  /** To the worker with this number, beginning with 1. Those that have been told to end hear nothing more. */
  post(to: number, message: object): void {
    if (!this.isClosed) this.workers[to - 1]?.thread.post(message);
  }

  postAll(message: object): void {
    if (this.isClosed) return;
    for (const { thread } of this.workers) thread.post(message);
  }

  /** Resolves when they have ended, with their last reports added. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.endStart();
    this.cancelPing?.();
    this.postAll({ type: 'close' });
    this.isClosed = true;
    await Promise.all(this.workers.map(({ thread }) => thread.ended(END_MS)));
  }

  private follow(worker: RunningWorker, number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const lost = (reason: Error): void => {
        const error = new Error(`worker ${number + 1} of ${this.count}: ${reason.message}`);
        reject(error);
        this.lose(error);
      };
      worker.lose = lost;
      worker.thread.start((message) => {
        const from = message as FromWorker;
        worker.unanswered = 0;
        if (from.type === 'ready') resolve();
        else if (from.type === 'refused') reject(refused(from));
        else if (from.type === 'warning') this.handlers.onWarning(from.message);
        else if (from.type === 'report') this.add(worker, from);
        else if (from.type !== 'pong') this.handlers.onOther?.(number, message);
      }, lost);
    });
  }

  private add(
    worker: RunningWorker,
    { portCounters, limits }: Extract<FromWorker, { type: 'report' }>,
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
        worker.thread.post({ type: 'ping' });
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

  constructor(thread: WorkerThread, shown: SharedArrayBuffer) {
    this.thread = thread;
    this.shown = new Float64Array(shown);
  }
}

function refused({ code, message }: Extract<FromWorker, { type: 'refused' }>): Error {
  return code === undefined ? new Error(message) : new EnvironmentError(code, message);
}
