import type { LimitHits } from '../../core/limit-hits.ts';
import { EnvironmentError } from '../../io/errors.ts';
import type { CancelTimer, Clock } from '../../io/ports.ts';
import { refusalOf } from '../../io/refusable.ts';
import type { ParentThread } from '../../io/workers/worker-thread.ts';
import type { Driver } from '../driver.ts';
import type { PortCounters } from '../port-counters.ts';
import { FailureWarnings } from '../failure-warnings.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** A worker that lingers looks this often whether it still has packets. It ends after two looks without any, or after so many looks. */
const LOOK_MS = 5;
const LOOKS = 20;
/** How long a report waits for more to report. */
const REPORT_MS = 250;

/** The part of a worker that depends on its role. */
export interface WorkerWork<State> {
  readonly driver: Driver;
  readonly limitHits: LimitHits;
  /** Opens its ports. */
  open(): void;
  change(state: Partial<State>): void;
  /** Writes the numbers that the first thread reads; called after each batch of inputs. */
  show(shown: Float64Array): void;
  /** Refusals and losses; those of the driver's ports unless given. */
  readonly portCounters?: PortCounters;
  /** Packets that wait in its ports are dealt with before it ends. */
  readonly lingers?: boolean;
  /** A message that only this role has. */
  hear?(message: object): void;
}

/** A worker's end of the talk with the first thread. It shares nothing with others but memory that only it writes. */
export class WorkerSide<State> {
  private readonly parent: ParentThread<unknown>;
  private readonly clock: Clock;
  private readonly work: WorkerWork<State>;
  private readonly shown: Float64Array;
  private readonly warnings: FailureWarnings;
  private cancelReport: CancelTimer | undefined;
  private quietLooks = 0;

  constructor(
    parent: ParentThread<unknown>,
    clock: Clock,
    shown: SharedArrayBuffer,
    work: WorkerWork<State>,
  ) {
    this.parent = parent;
    this.clock = clock;
    this.work = work;
    this.shown = new Float64Array(shown);
    this.warnings = new FailureWarnings(clock, (message) => this.post({ type: 'warning', message }));
    work.driver.onSettled = () => this.settled();
  }

  /** Works from now on, or says why it cannot. */
  start(): void {
    this.parent.onMessage((message) => this.handle(message as ToWorker<State>));
    try {
      this.work.open();
      this.post({ type: 'ready' });
    } catch (error) {
      const reason = refusalOf(error) as Error;
      const code = reason instanceof EnvironmentError ? reason.code : undefined;
      this.post({ type: 'refused', code, message: reason.message });
    }
  }

  private handle(message: ToWorker<State>): void {
    if (message.type === 'ping') this.post({ type: 'pong' });
    else if (message.type === 'change') this.work.change(message.state);
    else if (message.type === 'close') this.end();
    else this.work.hear?.(message);
  }

  /** After each batch of inputs. */
  private settled(): void {
    this.quietLooks = 0;
    this.work.show(this.shown);
    this.cancelReport ??= this.clock.setTimer(this.clock.now() + REPORT_MS, () => this.report());
  }

  private report(): void {
    this.cancelReport?.();
    this.cancelReport = undefined;
    const { limitHits, driver, portCounters = driver.portCounters } = this.work;
    const limits = [...limitHits.pending()].map(({ limit }) => limitHits.take(limit));
    this.post({ type: 'report', portCounters, limits });
  }

  private end(): void {
    if (this.work.lingers === true) this.linger(LOOKS);
    else this.close();
  }

  private linger(looks: number): void {
    if (looks === 0 || this.quietLooks >= 2) return this.close();
    this.clock.setTimer(this.clock.now() + LOOK_MS, () => {
      this.quietLooks++;
      this.linger(looks - 1);
    });
  }

  private close(): void {
    this.report();
    this.warnings.close();
    this.work.driver.close();
    this.parent.close();
  }

  private post(message: FromWorker): void {
    this.parent.post(message);
  }
}
