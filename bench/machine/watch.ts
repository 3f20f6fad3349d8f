/** Measures with an eye on the machine: a figure that was taken beside other work is not used. */
import { otherWork, readProcesses } from './other-work.ts';
import type { OtherWork } from './other-work.ts';
import type { ProcessTime } from './other-work.ts';
import { PROCESSORS, busyBetween, moment } from './processor-time.ts';
import type { Moment } from './processor-time.ts';

/** Other work may take this share of the machine. */
export const QUIET = 0.02;
/** A measurement that was disturbed is repeated this often before the bench stops. */
const ATTEMPTS = 3;
/** Work that asks for it is repeated this often. */
const FAILURES = 10;

export interface Measured<T> {
  readonly value: T;
  /** Busy seconds of the whole machine, without other work. */
  readonly busy: number;
  readonly seconds: number;
}

export class Disturbed extends Error {}
/** Work throws this if it failed for a reason that may be over now. */
export class Again extends Error {}

/** What is read of the machine. */
export interface Machine {
  readonly moment: () => Moment;
  readonly processes: () => readonly ProcessTime[];
}

const REAL: Machine = { moment, processes: readProcesses };

export class Watch {
  /** The largest share of the machine that other work took during a measurement that was used. */
  most = 0;
  private readonly mayBeDisturbed: boolean;
  private readonly say: (text: string) => void;
  private readonly machine: Machine;

  constructor(mayBeDisturbed: boolean, say: (text: string) => void, machine: Machine = REAL) {
    this.mayBeDisturbed = mayBeDisturbed;
    this.say = say;
    this.machine = machine;
  }

  /**
   * Repeats the work if it was disturbed. Throws {@link Disturbed} if other work does not end. Repeats work that ends with {@link Again}, too. `begin` is
   * called before each time, and is not measured: it reads the values that are compared afterwards.
   */
  async during<T>(
    work: () => Promise<T>,
    begin: () => void | Promise<void> = () => {},
  ): Promise<Measured<T>> {
    for (let [attempt, failures] = [1, 0]; ; attempt++) {
      await begin();
      const processes = this.machine.processes();
      const from = this.machine.moment();
      const value = await work().catch((error: unknown) => {
        if (!(error instanceof Again) || ++failures === FAILURES) throw error;
        this.say(`once more: ${error.message}`);
        return error;
      });
      if (value instanceof Again) {
        attempt--; // it was not a measurement
        continue;
      }
      const to = this.machine.moment();
      const other = otherWork(processes, this.machine.processes(), process.pid);
      const seconds = to.at - from.at;
      const share = shareOf(other.seconds, to.stolen - from.stolen, seconds);
      if (share <= QUIET || this.mayBeDisturbed) {
        this.most = Math.max(this.most, share);
        return { value, busy: busyBetween(from, to) - other.seconds, seconds };
      }
      if (attempt === ATTEMPTS) throw new Disturbed(complaint(share, other));
      this.say(`once more: ${complaint(share, other)}`);
    }
  }
}

/** The share of the machine that others took; time that the host of a virtual machine took counts, too. */
export function shareOf(others: number, stolen: number, seconds: number, processors = PROCESSORS): number {
  return (others + stolen) / (seconds * processors);
}

function complaint(share: number, { most }: OtherWork): string {
  const by = most === undefined ? 'the host of this virtual machine' : `${most.name} (process ${most.pid})`;
  return `other work took ${(share * 100).toFixed(1)} % of the machine (at most ${QUIET * 100} %), most of it ${by}`;
}
