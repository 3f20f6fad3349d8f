import { constants } from 'node:os';
import { GroupWitness } from '../io/group-witness.ts';
import type { Exit, Guest } from '../io/guest/guest.ts';
import { isUnderNohup } from '../io/nohup.ts';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;

/**
 * Signals of this process are for its program, which gets each once: the program is in the same process group, so that the terminal's keys reach it, and
 * jobs work. Signals to this process alone are passed on. Before the program runs, they end this process.
 */
export class ExecSignals {
  readonly ignored: readonly NodeJS.Signals[] = isUnderNohup() ? ['SIGHUP'] : [];
  /** Resolves with the first signal that comes before the program runs. */
  readonly early: Promise<Exit>;
  private readonly seen = new Set<NodeJS.Signals>();
  private readonly end: () => void;
  private handle: (signal: NodeJS.Signals) => void;
  private witness: GroupWitness | undefined;

  constructor() {
    let handle!: (signal: NodeJS.Signals) => void;
    this.early = new Promise((resolve) => (handle = (signal) => resolve({ signal })));
    this.handle = handle;
    const listener = (signal: NodeJS.Signals): void => {
      if (this.ignored.includes(signal)) return;
      this.seen.add(signal);
      this.handle(signal);
    };
    for (const signal of SIGNALS) process.on(signal, listener);
    this.end = () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    };
  }

  /** The program of this guest begins. */
  passTo(guest: Guest): void {
    const witness = new GroupWitness();
    this.witness = witness;
    this.handle = (signal) => {
      void witness.isOfGroup(signal).then((isOfGroup) => {
        if (!isOfGroup || !guest.isInOwnGroup) guest.signal(signal);
      });
    };
  }

  /** A program that a signal to both has ended: this process is to end by it, too. A shell goes on with its script otherwise. */
  endOf(exit: Exit): Exit {
    if ('signal' in exit) return exit;
    const signal = SIGNALS.find(
      (name) => this.seen.has(name) && exit.status === 128 + constants.signals[name],
    );
    return signal === undefined ? exit : { signal };
  }

  close(): void {
    this.end();
    this.witness?.close();
  }
}
