import { EVENTS } from './log-events.ts';
import type { LogEntry, LogEvent, LogFields } from './log-events.ts';
import type { EventStatus } from '../control/status.ts';

/** The most events that are kept, and the most characters of them. */
const MOST_EVENTS = 256;
const MOST_CHARACTERS = 128 << 10;
/** Of a message, as in the log. */
const MOST_OF_MESSAGE = 1_000;

/** The latest events of this process, whatever the level of its log is, and how many of each kind there have been. */
export class RecentEvents {
  private kept: EventStatus[] = [];
  private characters = 0;
  private lastId = 0;
  private readonly counts = new Map<LogEvent, number>();
  private readonly listeners = new Set<() => void>();
  private path: 'user' | 'kernel' | undefined;
  private withdrawals = 0;

  note({ event, message, fields }: LogEntry): void {
    const kept: EventStatus = {
      id: ++this.lastId,
      time: new Date().toISOString(),
      level: EVENTS[event],
      event,
      message: message.slice(0, MOST_OF_MESSAGE),
      fields: givenOf(fields),
    };
    this.kept.push(kept);
    this.characters += lengthOf(kept);
    while (this.kept.length > MOST_EVENTS || (this.characters > MOST_CHARACTERS && this.kept.length > 1))
      this.characters -= lengthOf(this.kept.shift()!);
    this.counts.set(event, this.countOf(event) + 1);
    for (const listener of this.listeners) listener();
  }

  /** Those after the one with this number, as far as they are kept. */
  after(id: number): readonly EventStatus[] {
    return this.kept.filter((event) => event.id > id);
  }

  /** How often there has been such an event. */
  countOf(event: LogEvent): number {
    return this.counts.get(event) ?? 0;
  }

  /** The data path in use: from the start, and after each change. */
  noteDataPath(path: 'user' | 'kernel'): void {
    if (this.path === 'kernel' && path === 'user') this.withdrawals++;
    this.path = path;
  }

  /** How often the process has taken packets over from the kernel. */
  get kernelPathWithdrawals(): number {
    return this.withdrawals;
  }

  /** Calls back after each event. Returns a function that ends it. */
  listen(onEvent: () => void): () => void {
    this.listeners.add(onEvent);
    return () => void this.listeners.delete(onEvent);
  }
}

function givenOf(fields: LogFields): EventStatus['fields'] {
  const given: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) given[name] = value;
  return given;
}

function lengthOf({ message, fields }: EventStatus): number {
  const texts = Object.entries(fields).flat();
  return texts.reduce<number>((sum, text) => sum + String(text).length, message.length);
}

/** Of this process. */
export const recentEvents = new RecentEvents();
