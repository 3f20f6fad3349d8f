/** Server-sent events: the status each second, and the events of the log with their history. */
import type { EventStatus } from '../../control/status.ts';
import type { RecentEvents } from '../recent-events.ts';
import { refused, text } from './answer.ts';
import type { Asked, HttpAnswer } from './answer.ts';
import type { EventStreams } from './event-streams.ts';
import type { HttpSource } from './source.ts';

const TYPE = { 'Content-Type': 'text/event-stream' };
const STATUS_MS = 1_000;
/** The most characters at a time, and one event more. */
const PIECE_LENGTH = 16 << 10;

/**
 * A reader gets the latest status, and of the events those that are still kept. `Last-Event-ID`: of the last event of the log that a reader
 * has which comes again. The stream ends when it is permitted no longer.
 */
export function answerEvents(
  { headers, isHead, asker }: Asked,
  source: HttpSource,
  events: RecentEvents,
  streams: EventStreams,
  isPermitted: () => boolean = () => true,
): HttpAnswer {
  if (isHead) return text('', TYPE);
  const leave = streams.begin(asker);
  if (leave === undefined) return refused(429, 'there are too many streams of events');
  const after = Number(/^\d{1,15}$/.exec(String(headers['last-event-id']))?.[0] ?? 0);
  asker.endless();
  const stream = new EventText(source, events, after);
  const next = async (): Promise<string | undefined> => {
    await stream.wait();
    return isPermitted() ? asker.turn(() => stream.next()) : undefined;
  };
  const end = (): void => {
    stream.end();
    leave();
  };
  return text({ next, end }, TYPE);
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
    let text = '';
    for (const event of this.events.after(this.lastId)) {
      text += logText(event);
      this.lastId = event.id;
      if (text.length >= PIECE_LENGTH) return text;
    }
    const now = performance.now();
    if (now - this.statusAt < STATUS_MS) return text;
    this.statusAt = now;
    return `${text}event: status\ndata: ${JSON.stringify(this.source.status())}\n\n`;
  }
}

function logText(event: EventStatus): string {
  return `id: ${event.id}\nevent: log\ndata: ${JSON.stringify(event)}\n\n`;
}
