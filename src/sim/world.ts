import { EventQueue } from './event-queue.ts';
import type { ScheduledEvent } from './event-queue.ts';
import { SeededEntropy } from './seeded-entropy.ts';

/** Too many events happened without the clock moving: something answers itself for ever. */
export class LiveLockError extends Error {
  readonly code = 'SIM_LIVE_LOCK';
}

export interface WorldOptions {
  /** Everything random comes of it: the same seed, the same run. */
  readonly seed?: number;
  /** What the clock shows at the beginning, ms. */
  readonly startAt?: number;
  /** Events in one instant before {@link LiveLockError}. */
  readonly eventsPerInstant?: number;
}

/** Virtual time: a clock that jumps from event to event, and the one source of randomness. */
export class World {
  readonly seed: number;
  readonly entropy: SeededEntropy;
  readonly startedAt: number;
  private clock: number;
  private streams = 0;
  private readonly queue = new EventQueue();
  private readonly eventsPerInstant: number;
  private eventsNow = 0;
  private readonly observers: (() => void)[] = [];

  constructor(options: WorldOptions = {}) {
    this.seed = options.seed ?? 1;
    this.startedAt = this.clock = options.startAt ?? 1_000_000;
    this.eventsPerInstant = options.eventsPerInstant ?? 1_000_000;
    this.entropy = this.newEntropy();
  }

  /** Milliseconds of the virtual clock. */
  get now(): number {
    return this.clock;
  }

  /** Milliseconds since the beginning. */
  get elapsed(): number {
    return this.clock - this.startedAt;
  }

  /** A generator of its own, so that what one component draws does not shift what another gets. */
  newEntropy(): SeededEntropy {
    return new SeededEntropy(this.seed, this.streams++);
  }

  /** Calls `observer` after every event: the place for invariants. */
  observe(observer: () => void): void {
    this.observers.push(observer);
  }

  /** Has `run` happen at an instant; one that is past means now, after what is already due. */
  at(instant: number, run: () => void): ScheduledEvent {
    return this.queue.push(Math.max(instant, this.clock), run);
  }

  /** Has `run` happen after `delay` ms. */
  after(delay: number, run: () => void): ScheduledEvent {
    return this.at(this.clock + delay, run);
  }

  /** Lets `duration` ms pass. */
  runFor(duration: number): void {
    this.runTo(this.clock + duration);
  }

  /** Runs until the clock shows `instant`, with everything done that is due by then. */
  runTo(instant: number): void {
    while (this.queue.peek() <= instant) this.step();
    this.moveTo(instant);
  }

  /** Runs until `condition` holds; false when it still does not after `within` ms. */
  runUntil(condition: () => boolean, within: number): boolean {
    const limit = this.clock + within;
    while (!condition()) {
      if (this.queue.peek() > limit) {
        this.moveTo(limit);
        return condition();
      }
      this.step();
    }
    return true;
  }

  /** Makes the next event happen; false when there is none. */
  step(): boolean {
    const event = this.queue.pop();
    if (event === undefined) return false;
    this.moveTo(event.at);
    if (++this.eventsNow > this.eventsPerInstant) {
      throw new LiveLockError(`${this.eventsNow} events at ${this.elapsed} ms (seed ${this.seed})`);
    }
    const { run } = event;
    event.run = undefined;
    run?.();
    for (const observer of this.observers) observer();
    return true;
  }

  private moveTo(instant: number): void {
    if (instant > this.clock) {
      this.clock = instant;
      this.eventsNow = 0;
    }
  }
}
