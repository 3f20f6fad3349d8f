/** Numbers that only grow: answers of the program in the drivers, and packets that their interfaces could not send. */
export interface DriverCounts {
  readonly answered: number;
  readonly sendDrops: number;
}

/** A look has failed when at least this share of the answers since the look before was not sent. */
const FAILING = 0.5;
/** The program stops for good after so many failed looks in a row. */
const MOST_FAILED = 3;

/**
 * Finds out whether answers leave from a driver: not every driver can send the frames that a program gives back. At first one solicitation is answered there;
 * when its answer has been sent, all are. The interface counts the lost packets of all programs together. So a failed look is followed by one
 * without answers, and then by another single answer; and a look fails only if nothing was lost while there were no answers.
 */
export class DriverTrial {
  private before: DriverCounts | undefined;
  private isTrusted = false;
  private failed = 0;
  /** Packets were lost when there were no answers. */
  private othersLose = false;

  /** Why answers do not leave from here. */
  get why(): string | undefined {
    return this.hasFailed ? 'the driver does not send the answers' : undefined;
  }

  /** The number of answers that may be given until the next look; undefined: any number. */
  look(now: DriverCounts): number | undefined {
    const { before } = this;
    this.before = now;
    if (before === undefined) return 1;
    if (this.hasFailed) return 0;
    const dropped = now.sendDrops - before.sendDrops;
    return this.judge(now.answered - before.answered, dropped);
  }

  private get hasFailed(): boolean {
    return this.failed >= MOST_FAILED;
  }

  private judge(answered: number, dropped: number): number | undefined {
    if (answered === 0) {
      this.othersLose = dropped > 0;
      return this.isTrusted ? undefined : 1;
    }
    this.isTrusted = dropped < answered * FAILING;
    if (this.isTrusted) this.failed = 0;
    else if (!this.othersLose) this.failed++;
    return this.isTrusted ? undefined : 0;
  }
}
