/** Numbers that only grow: answers of the program in the drivers, and packets that their interfaces could not send. */
export interface DriverCounts {
  readonly answered: number;
  readonly sendDrops: number;
}

/** The program stops for good when at least this share of its answers was not sent. */
const FAILING = 0.5;

/**
 * Finds out whether answers leave from a driver: not every one can send what a program gives back. At first one solicitation is answered there,
 * which costs at most that one answer; when it has been sent, all are.
 */
export class DriverTrial {
  private before: DriverCounts | undefined;
  private isTrusted = false;
  private hasFailed = false;

  /** Why answers do not leave from here. */
  get why(): string | undefined {
    return this.hasFailed ? 'the driver does not send the answers' : undefined;
  }

  /** The number of answers that may be given until the next look; undefined: any number. */
  look(now: DriverCounts): number | undefined {
    const { before } = this;
    this.before = now;
    const answered = now.answered - (before ?? now).answered;
    const dropped = now.sendDrops - (before ?? now).sendDrops;
    if (answered > 0) this.isTrusted = true;
    if (answered > 0 && dropped >= answered * FAILING) this.hasFailed = true;
    if (this.hasFailed) return 0;
    return this.isTrusted ? undefined : 1;
  }
}
