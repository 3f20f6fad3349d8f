import type { CancelTimer, Clock } from '../io/ports.ts';

/** Of one warning. */
const REPEAT_MS = 60_000;
/** Different ones within that; others are not said. */
const WARNINGS_MOST = 16;

interface Said {
  /** Since then. */
  times: number;
  cancel: CancelTimer;
}

/** Gives a warning at once, and its repetitions within a minute together at the end of the minute. */
export class RepeatedWarnings {
  private readonly clock: Clock;
  private readonly say: (message: string) => void;
  private readonly said = new Map<string, Said>();

  constructor(clock: Clock, say: (message: string) => void) {
    this.clock = clock;
    this.say = say;
  }

  warn(message: string): void {
    const said = this.said.get(message);
    if (said !== undefined) said.times++;
    else if (this.said.size < WARNINGS_MOST) {
      this.said.set(message, { times: 0, cancel: this.wait(message) });
      this.say(message);
    }
  }

  close(): void {
    for (const { cancel } of this.said.values()) cancel();
    this.said.clear();
  }

  private wait(message: string): CancelTimer {
    return this.clock.setTimer(this.clock.now() + REPEAT_MS, () => {
      const said = this.said.get(message)!;
      const { times } = said;
      if (times === 0) {
        this.said.delete(message);
        return;
      }
      said.times = 0;
      said.cancel = this.wait(message);
      this.say(`${message} (${times === 1 ? 'once more' : `${times} more times`} within a minute)`);
    });
  }
}
