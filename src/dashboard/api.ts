import { EventReader } from './event-stream.ts';
import type { StreamEvent } from './event-stream.ts';

/** The daemon, or the program that serves the page, has refused an answer. */
export class RefusedError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const PATIENCE_MS = 10_000;

/** Asks a daemon over the origin of this page. */
export class Api {
  private readonly patienceMs: number;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly prefix: string;

  /** `daemon`: undefined for the one that serves the page. `patienceMs`: time for an answer; {@link events} has none. */
  constructor(token: string | undefined, daemon: string | undefined, patienceMs = PATIENCE_MS) {
    this.patienceMs = patienceMs;
    this.headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.prefix = daemon === undefined ? '/api/v1' : `/api/v1/daemons/${encodeURIComponent(daemon)}`;
  }

  json<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.answer(`${this.prefix}/${path}`, signal);
  }

  /** The other daemons, whichever is shown. */
  daemons<T>(signal: AbortSignal): Promise<T> {
    return this.answer('/api/v1/daemons', signal);
  }

  /** Until the stream ends; throws where it breaks. */
  async *events(signal: AbortSignal): AsyncGenerator<StreamEvent> {
    const path = this.prefix === '/api/v1' ? '/events' : `${this.prefix}/events`;
    const { body } = await this.fetch(path, signal);
    if (body === null) return;
    const reader = new EventReader();
    for await (const piece of body.pipeThrough(new TextDecoderStream())) yield* reader.read(piece);
  }

  private async answer<T>(path: string, signal: AbortSignal): Promise<T> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.patienceMs)]);
    const response = await this.fetch(path, limited);
    return (await response.json()) as T;
  }

  private async fetch(path: string, signal: AbortSignal): Promise<Response> {
    const response = await fetch(path, {
      headers: this.headers,
      signal,
      cache: 'no-store',
      redirect: 'error',
    });
    if (!response.ok) throw new RefusedError(response.status, await messageOf(response));
    return response;
  }
}

async function messageOf(response: Response): Promise<string> {
  try {
    const { message } = (await response.json()) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // no JSON: the status has to do
  }
  return `HTTP status ${response.status}`;
}
