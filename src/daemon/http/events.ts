/** Server-sent events: the status each second, and the events of the log with their history. */
import type { Context } from 'hono';
import type { HttpAsker } from '../../control/http-stream.ts';
import type { EventStatus } from '../../control/status.ts';
import type { RecentEvents } from '../recent-events.ts';
import type { EventStreams } from './event-streams.ts';
import { refused } from './refused.ts';
import type { HttpSource } from './source.ts';

const TYPE = { 'Content-Type': 'text/event-stream' };
const STATUS_MS = 1_000;
const ENCODER = new TextEncoder();

/** `Last-Event-ID`: of the last event of the log that a reader has which comes again. */
export function answerEvents(
  c: Context,
  asker: HttpAsker,
  source: HttpSource,
  events: RecentEvents,
  streams: EventStreams,
): Response {
  if (c.req.method === 'HEAD') return c.body(null, 200, TYPE);
  const end = streams.begin(asker);
  if (end === undefined) return refused(c, 429, 'there are too many streams of events');
  const after = Number(/^\d{1,15}$/.exec(c.req.header('Last-Event-ID') ?? '')?.[0] ?? 0);
  return c.body(eventStream(asker, source, events, after, end), 200, TYPE);
}

/**
 * A stream that is made as its reader takes it: nothing waits for a slow one. It gets the latest status, and of the events those that are
 * still kept. `after`: the number of the last event that the reader has. `onEnd`: the reader has gone.
 */
function eventStream(
  asker: HttpAsker,
  source: HttpSource,
  events: RecentEvents,
  after: number,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const stream = new EventText(source, events, after);
  return new ReadableStream(
    {
      async pull(controller) {
        await stream.wait();
        const text = await asker.turn(() => stream.next());
        if (text !== undefined) {
          controller.enqueue(ENCODER.encode(text));
          return;
        }
        onEnd();
        controller.close();
      },
      cancel() {
        stream.end();
        onEnd();
      },
    },
    { highWaterMark: 0 },
  );
}

class EventText {
  private readonly source: HttpSource;
  private readonly events: RecentEvents;
  private lastId: number;
  private statusAt = -Infinity;
  private wake: (() => void) | undefined;

  constructor(source: HttpSource, events: RecentEvents, after: number) {
    this.source = source;
    this.events = events;
    this.lastId = after;
  }

  /** Resolves when there is something to say. */
  async wait(): Promise<void> {
    const restMs = this.statusAt + STATUS_MS - performance.now();
    if (restMs <= 0 || this.events.after(this.lastId).length > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, restMs);
      timer.unref();
      const stop = this.events.listen(resolve);
      this.wake = () => {
        clearTimeout(timer);
        stop();
        resolve();
      };
    }).finally(() => this.wake?.());
  }

  end(): void {
    this.wake?.();
  }

  /** The events first: the status may be a consequence of them. */
  next(): string {
    const found = this.events.after(this.lastId);
    this.lastId = found.at(-1)?.id ?? this.lastId;
    const text = found.map(logText).join('');
    const now = performance.now();
    if (now - this.statusAt < STATUS_MS) return text;
    this.statusAt = now;
    return `${text}event: status\ndata: ${JSON.stringify(this.source.status())}\n\n`;
  }
}

function logText(event: EventStatus): string {
  return `id: ${event.id}\nevent: log\ndata: ${JSON.stringify(event)}\n\n`;
}
