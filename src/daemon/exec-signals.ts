import { constants } from 'node:os';
import { GroupWitness } from '../io/group-witness.ts';
import type { Exit, Guest } from '../io/guest/guest.ts';
import { isUnderNohup } from '../io/nohup.ts';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;

type Witness = Pick<GroupWitness, 'ready' | 'isOfGroup' | 'close'>;

/**
 * Signals of this process are for its program, which gets each once: the program is in the same process group, so that the terminal's keys reach it, and
 * jobs work. Signals to this process alone are passed on. Before the program runs, they end this process.
 */
export class ExecSignals {
  readonly ignored: readonly NodeJS.Signals[] = isUnderNohup() ? ['SIGHUP'] : [];
  /** Resolves with the first signal that comes before the program runs. */
  readonly early: Promise<Exit>;
  private readonly seen = new Set<NodeJS.Signals>();
  private readonly witness: Witness;
  private readonly end: () => void;
  private handle: (signal: NodeJS.Signals) => void;
  private guest: Guest | undefined;
  /** How often this process was told to go on. */
  private continues = 0;

  constructor(witness: Witness = new GroupWitness()) {
    this.witness = witness;
    let handle!: (signal: NodeJS.Signals) => void;
    this.early = new Promise((resolve) => (handle = (signal) => resolve({ signal })));
    this.handle = handle;
    const listener = (signal: NodeJS.Signals): void => {
      if (this.ignored.includes(signal)) return;
      this.seen.add(signal);
      this.handle(signal);
    };
    const stopped = (): void => void this.stop(() => stopSelf(stopped));
    const continued = (): void => {
      this.continues++;
      void this.passOn('SIGCONT');
    };
    for (const signal of SIGNALS) process.on(signal, listener);
    process.on('SIGTSTP', stopped).on('SIGCONT', continued);
    this.end = () => {
      for (const signal of SIGNALS) process.off(signal, listener);
      process.off('SIGTSTP', stopped).off('SIGCONT', continued);
    };
  }

  /** Resolves when it can tell to which processes a signal came: the program of a guest must not begin before. */
  get ready(): Promise<unknown> {
    return this.witness.ready;
  }

  /** The program of this guest begins. */
  passTo(guest: Guest): void {
    this.guest = guest;
    this.handle = (signal) => void this.passOn(signal);
  }

  /**
   * A program that a signal to both has ended: this process is to end by it, too. A shell continues its script otherwise. On a busy machine this process can learn
   * of the program's end before its own signal; the witness knows.
   */
  async endOf(exit: Exit): Promise<Exit> {
    if ('signal' in exit) return exit;
    const signal = SIGNALS.find((name) => exit.status === 128 + constants.signals[name]);
    if (signal === undefined || this.ignored.includes(signal)) return exit;
    return this.seen.has(signal) || (await this.witness.isOfGroup(signal)) ? { signal } : exit;
  }

  close(): void {
    this.end();
    this.witness.close();
  }

  /** This process stops last: its shell takes the terminal then, and a program that is still to stop could read the first keys. */
  private async stop(stopSelf: () => void): Promise<void> {
    const before = this.continues;
    await this.passOn('SIGTSTP');
    await this.guest?.groupStopped();
    if (this.continues === before) stopSelf();
  }

  private async passOn(signal: NodeJS.Signals): Promise<void> {
    const isOfGroup = await this.witness.isOfGroup(signal);
    if (this.guest === undefined) return;
    if (!isOfGroup || !this.guest.isInOwnGroup) this.guest.signal(signal);
  }
}

/** By the signal's own effect, so that a shell shows a stopped job. It has none in a group that no shell looks after. */
function stopSelf(listener: () => void): void {
  process.off('SIGTSTP', listener);
  process.kill(process.pid, 'SIGTSTP');
  process.on('SIGTSTP', listener);
}
