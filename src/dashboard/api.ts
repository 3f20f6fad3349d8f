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

/** Asks a daemon over the origin of this page. */
export class Api {
  private readonly headers: Readonly<Record<string, string>>;
  private readonly prefix: string;

  /** `daemon`: undefined for the one that serves the page. */
  constructor(token: string | undefined, daemon: string | undefined) {
    this.headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.prefix = daemon === undefined ? '/api/v1' : `/api/v1/daemons/${encodeURIComponent(daemon)}`;
  }

  async json<T>(path: string, signal: AbortSignal): Promise<T> {
    const response = await this.fetch(`${this.prefix}/${path}`, signal);
    return (await response.json()) as T;
  }

  /** The other daemons, whichever is shown. */
  async daemons<T>(signal: AbortSignal): Promise<T> {
    const response = await this.fetch('/api/v1/daemons', signal);
    return (await response.json()) as T;
  }

  /** Until the stream ends; throws where it breaks. */
  async *events(signal: AbortSignal): AsyncGenerator<StreamEvent> {
    const path = this.prefix === '/api/v1' ? '/events' : `${this.prefix}/events`;
    const { body } = await this.fetch(path, signal);
    if (body === null) return;
    const reader = new EventReader();
    for await (const piece of body.pipeThrough(new TextDecoderStream())) yield* reader.read(piece);
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
