import type { EventStatus, RoleStatus } from '../control/status.ts';
import { RefusedError } from './api.ts';
import type { Api } from './api.ts';

/** The page's readers of the feed. */
export interface FeedReader {
  readonly status: (status: RoleStatus) => void;
  readonly log: (line: EventStatus) => void;
  /** The history of the log begins again. */
  readonly begun: () => void;
  /** No answer, and why. */
  readonly trouble: (error: Error) => void;
}

/** A stream that is silent for so long has broken: it has a status each second. */
const SILENCE_MS = 6_000;
const AGAIN_MS = 1_500;
/** For so long the status is asked for instead, when there are too many streams. */
const POLLS = 10;

/** Follows a daemon until the signal. */
export async function follow(api: Api, reader: FeedReader, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await readStream(api, reader, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!hasNoStream(error)) reader.trouble(error as Error);
      else await poll(api, reader, signal);
    }
    await pause(AGAIN_MS, signal);
  }
}

async function readStream(api: Api, reader: FeedReader, signal: AbortSignal): Promise<void> {
  const silent = new AbortController();
  const timer = new Patience(() => silent.abort(new Error('the daemon has stopped answering')));
  try {
    let isFirst = true;
    for await (const { event, data } of api.events(AbortSignal.any([signal, silent.signal]))) {
      timer.renew();
      if (isFirst) reader.begun();
      isFirst = false;
      if (event === 'status') reader.status(JSON.parse(data) as RoleStatus);
      else if (event === 'log') reader.log(JSON.parse(data) as EventStatus);
    }
    throw new Error('the daemon has ended');
  } finally {
    timer.end();
  }
}

/** Each daemon has a limit of streams, and an earlier version has none; its status is open to more readers. */
function hasNoStream(error: unknown): boolean {
  return error instanceof RefusedError && [404, 429, 503].includes(error.status);
}

async function poll(api: Api, reader: FeedReader, signal: AbortSignal): Promise<void> {
  try {
    for (let count = 0; count < POLLS; count++) {
      reader.status(await api.json<RoleStatus>('status', signal));
      await pause(AGAIN_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) reader.trouble(error as Error);
  }
}

class Patience {
  private readonly end_: () => void;
  private timer: number;

  constructor(end: () => void) {
    this.end_ = end;
    this.timer = window.setTimeout(end, SILENCE_MS);
  }

  renew(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(this.end_, SILENCE_MS);
  }

  end(): void {
    window.clearTimeout(this.timer);
  }
}

/** Ends early at the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      window.clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = window.setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
