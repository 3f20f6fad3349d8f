import { Worker, parentPort, workerData } from 'node:worker_threads';
import { LentDescriptor } from '../../linux/lent-descriptor.ts';
import type { WorkerKind, WorkerThread } from './worker-ports.ts';

/** Starts a thread. Its module is loaded from the package, beside the program. */
export function startThread(kind: WorkerKind, data: object, lent: readonly number[]): WorkerThread {
  return new KernelThread(kind, data, lent);
}

class KernelThread implements WorkerThread {
  private readonly worker: Worker;
  private readonly exit: Promise<number>;
  private readonly lent: readonly LentDescriptor[];
  private isEnding = false;

  constructor(kind: WorkerKind, data: object, lent: readonly number[]) {
    this.lent = lent.map((fd) => new LentDescriptor(fd));
    // This file, and the program that it is bundled into, are equally deep in the package.
    this.worker = new Worker(new URL(`../../runtime/workers/${kind}.js`, import.meta.url), {
      workerData: data,
    });
    this.exit = new Promise((resolve) =>
      this.worker.once('exit', (code) => {
        for (const one of this.lent) one.takeBack();
        resolve(code);
      }),
    );
  }

  post(message: object): void {
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.worker.postMessage(message);
  }

  start(onMessage: (message: object) => void, onLost: (reason: Error) => void): void {
    this.worker.on('message', onMessage);
    let reason: Error | undefined;
    this.worker.on('error', (error) => (reason = error));
    void this.exit.then((code) => {
      if (!this.isEnding) onLost(reason ?? new Error(`it has ended with status ${code}`));
    });
  }

  async ended(withinMs: number): Promise<void> {
    this.isEnding = true;
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<'hangs'>((resolve) => (timer = setTimeout(() => resolve('hangs'), withinMs)));
    if ((await Promise.race([this.exit, tooLong])) === 'hangs') for (const one of this.lent) one.replace();
    clearTimeout(timer);
    this.worker.unref();
  }
}

/** The thread that has started this one. */
export interface ParentThread<Data> {
  readonly data: Data;
  post(message: object): void;
  onMessage(handle: (message: object) => void): void;
  /** Nothing else keeps this thread alive after that. */
  close(): void;
}

/** For the module of a thread. */
export function parentThread<Data>(): ParentThread<Data> {
  if (parentPort === null) throw new Error('this module runs in a thread of the program only');
  const port = parentPort;
  return {
    data: workerData as Data,
    post: (message) => port.postMessage(message),
    onMessage: (handle) => void port.on('message', handle),
    close: () => port.close(),
  };
}
