import type { Clock } from '../ports.ts';

/** Converts between ms of the Clock and ns of CLOCK_MONOTONIC, which the programs use. */
export class KernelTime {
  private readonly clock: Clock;
  private readonly nsAhead: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.nsAhead = Number(process.hrtime.bigint()) - clock.now() * 1e6;
  }

  get nowNs(): number {
    return this.toNs(this.clock.now());
  }

  toNs(ms: number): number {
    return ms * 1e6 + this.nsAhead;
  }

  toMs(ns: number): number {
    return (ns - this.nsAhead) / 1e6;
  }
}
