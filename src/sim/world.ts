import { EventQueue } from './event-queue.ts';
import type { ScheduledEvent } from './event-queue.ts';
import { SeededEntropy } from './seeded-entropy.ts';

/** Too many events happened at one instant: for example, two nodes answer each other without end. */
export class LiveLockError extends Error {
  readonly code = 'SIM_LIVE_LOCK';
}

export interface WorldOptions {
  /** Seed of all randomness: the same seed gives the same run. */
  readonly seed?: number;
  /** Time of the clock at the beginning, ms. */
  readonly startAt?: number;
  /** Most events at one instant; beyond that {@link LiveLockError} is thrown. */
  readonly eventsPerInstant?: number;
}

/** Virtual time, a clock that jumps from event to event; and the only source of randomness. */
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

  /** A new generator for one component, so that its draws do not change the numbers that others get. */
  newEntropy(): SeededEntropy {
    return new SeededEntropy(this.seed, this.streams++);
  }

  /** Calls `observer` after every event, for example to check invariants. */
  observe(observer: () => void): void {
    this.observers.push(observer);
  }

  /** Calls `run` at an instant. If that has passed: now, after the events that are already due. */
  at(instant: number, run: () => void): ScheduledEvent {
    return this.queue.push(Math.max(instant, this.clock), run);
  }

  /** Calls `run` after `delay` ms. */
  after(delay: number, run: () => void): ScheduledEvent {
    return this.at(this.clock + delay, run);
  }

  /** Lets `duration` ms pass. */
  runFor(duration: number): void {
    this.runTo(this.clock + duration);
  }

  /** Runs all events up to `instant`, and sets the clock to it. */
  runTo(instant: number): void {
    while (this.queue.peek() <= instant) this.step();
    this.moveTo(instant);
  }

  /** Runs until `condition` holds; false if it does not within `within` ms. */
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

  /** Runs the next event; false if there is none. */
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
