import type { WorkerThread } from '../../src/io/workers/worker-ports.ts';
import type { FromWorker } from '../../src/runtime/workers/worker-messages.ts';

/** A worker's thread that a test plays. */
export class PlayedThread<Data, To extends { readonly type: string }> implements WorkerThread {
  readonly data: Data;
  readonly heard: To[] = [];
  lose: (reason: Error) => void = () => {};
  answersPings = true;
  private say: (message: object) => void = () => {};
  private readonly atStart: FromWorker | undefined;

  /** `atStart`: its first message. */
  constructor(data: object, atStart: FromWorker | undefined) {
    this.data = structuredClone(data) as Data;
    this.atStart = atStart;
  }

  post(message: object): void {
    const heard = structuredClone(message) as To;
    this.heard.push(heard);
    if (heard.type === 'ping' && this.answersPings) this.tell({ type: 'pong' });
  }

  start(onMessage: (message: object) => void, onLost: (reason: Error) => void): void {
    [this.say, this.lose] = [onMessage, onLost];
    if (this.atStart !== undefined) this.tell(this.atStart);
  }

  tell(message: object): void {
    this.say(structuredClone(message));
  }

  ended(): Promise<void> {
    return Promise.resolve();
  }
}
