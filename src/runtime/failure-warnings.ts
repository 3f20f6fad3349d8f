import type { Clock } from '../io/ports.ts';
import { onSystemFailure } from '../io/system-failures.ts';
import { RepeatedWarnings } from './repeated-warnings.ts';

/** Warns of the system's refusals to this process while a role runs: of each kind once, and with its number once a minute. */
export class FailureWarnings {
  private readonly warnings: RepeatedWarnings;
  private readonly end: () => void;

  constructor(clock: Clock, say: (message: string) => void) {
    this.warnings = new RepeatedWarnings(clock, say);
    this.end = onSystemFailure(({ message }) =>
      this.warnings.warn(
        `${message.replace(/^the system refused: /, '')}: the system refused; it is tried again`,
      ),
    );
  }

  close(): void {
    this.end();
    this.warnings.close();
  }
}
