import { threadTimeMs } from '../io/thread-time.ts';
import type { Caller } from './admission.ts';

/** The longest rest at a time, so that the next asker waits for a moment only; and the most that is put off to later rests. */
const MAX_REST_MS = 250;
const MAX_DEBT_MS = 2_000;
/** Users and processes whose last turn is remembered: more than can wait at the same time. */
const REMEMBERED = 64;

/**
 * Gives pieces of work their turn, one after the other, with rests between them: the askers cannot fill the time. Of the users that wait the
 * one has the next turn that was served longest ago, and of its processes the same. An asker has one piece waiting at most, and a
 * piece whose asker leaves is forgotten at once, so the queue is no longer than the list of askers.
 */
export class FairQueue {
  /** How many times as long as a piece of work has taken of the processor, the next one waits. */
  private readonly rest: number;
  private readonly waiting = new Map<Caller, (begins: boolean) => void>();
  private readonly servedUsers = new Map<number, number>();
  private readonly servedProcesses = new Map<number, number>();
  private served = 0;
  private isBusy = false;
  /** The asker whose turn it is, until it leaves. */
  private beginning: Caller | undefined;
  private restUntil = -Infinity;

  constructor(rest: number) {
    this.rest = rest;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /** Resolves to undefined where the asker leaves before its turn. Rejects with the error that `work` throws. */
  async take<T>(asker: Caller, work: () => T): Promise<T | undefined> {
    const end = await this.begin(asker);
    if (end === undefined) return undefined;
    try {
      return work();
    } finally {
      end();
    }
  }

  /** Resolves at the beginning of the asker's turn, with a function that ends it; to undefined where the asker leaves before. */
  async begin(asker: Caller): Promise<(() => void) | undefined> {
    this.leave(asker);
    const turn = new Promise<boolean>((resolve) => this.waiting.set(asker, resolve));
    this.startNext();
    if (!(await turn)) return undefined;
    const begun = threadTimeMs();
    const end = (): void => this.restAfter(threadTimeMs() - begun);
    if (this.beginning === asker) return end;
    end(); // the asker has left in between
    return undefined;
  }

  /** Forgets the piece of work that waits for `asker` or is about to begin, if there is one. */
  leave(asker: Caller): void {
    if (this.beginning === asker) this.beginning = undefined;
    const end = this.waiting.get(asker);
    this.waiting.delete(asker);
    end?.(false);
  }

  private restAfter(workMs: number): void {
    const now = performance.now();
    this.restUntil = Math.min(Math.max(now, this.restUntil) + this.rest * workMs, now + MAX_DEBT_MS);
    setTimeout(
      () => {
        this.isBusy = false;
        this.startNext();
      },
      Math.min(this.restUntil - now, MAX_REST_MS),
    ).unref();
  }

  private startNext(): void {
    if (this.isBusy) return;
    const next = this.longestUnserved();
    if (next === undefined) return;
    const begin = this.waiting.get(next)!;
    this.waiting.delete(next);
    this.served++;
    remember(this.servedUsers, next.uid, this.served);
    remember(this.servedProcesses, next.pid, this.served);
    this.isBusy = true;
    this.beginning = next;
    begin(true);
  }

  private longestUnserved(): Caller | undefined {
    let found: Caller | undefined;
    for (const caller of this.waiting.keys())
      if (found === undefined || this.isBefore(caller, found)) found = caller;
    return found;
  }

  private isBefore(one: Caller, other: Caller): boolean {
    const byUser = (this.servedUsers.get(one.uid) ?? 0) - (this.servedUsers.get(other.uid) ?? 0);
    if (byUser !== 0) return byUser < 0;
    return (this.servedProcesses.get(one.pid) ?? 0) < (this.servedProcesses.get(other.pid) ?? 0);
  }
}

/** The latest stand last; the first ones are forgotten. */
function remember(served: Map<number, number>, key: number, turn: number): void {
  served.delete(key);
  served.set(key, turn);
  if (served.size > REMEMBERED) for (const [oldest] of served) return void served.delete(oldest);
}
