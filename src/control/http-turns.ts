import type { Caller } from './admission.ts';
import type { FairQueue } from './fair-queue.ts';

/**
 * The turns of one request of HTTP. Reading its head and writing an answer costs more than most answers: so the first turn has these, and the first
 * piece of work. It ends with the next piece, or with the next turn of the event loop.
 */
export class HttpTurns {
  private readonly queue: FairQueue;
  private readonly asker: Caller;
  private endFirst: (() => void) | undefined;
  private isFirst = true;

  constructor(queue: FairQueue, asker: Caller) {
    this.queue = queue;
    this.asker = asker;
  }

  /** `serve` is called when the asker's turn comes, and not where it leaves before. */
  async begin(serve: () => void): Promise<void> {
    this.endFirst = await this.queue.begin(this.asker);
    if (this.endFirst === undefined) return;
    setImmediate(() => this.end());
    serve();
  }

  /** See {@link FairQueue.take}. */
  async take<T>(work: () => T): Promise<T | undefined> {
    const isInFirst = this.isFirst && this.endFirst !== undefined;
    this.isFirst = false;
    if (isInFirst) return work();
    this.end();
    return this.queue.take(this.asker, work);
  }

  private end(): void {
    this.endFirst?.();
    this.endFirst = undefined;
  }
}
