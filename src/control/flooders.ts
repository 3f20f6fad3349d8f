import { MOST_KEPT_OUT } from '../io/unix-socket.ts';

/** A user that is refused more often than this within the time is kept out for a while. */
const REFUSED_MOST = 50;
const WITHIN_MS = 1_000;
const KEPT_OUT_MS = 2_000;

/**
 * Users that flood the control socket. Even a connection that is closed at once costs accepting it, and while many wait others wait behind
 * them: so the kernel keeps such a user from connecting for a while.
 */
export class Flooders {
  /** `keepOut` has the kernel refuse just these users. */
  private readonly keepOut: (uids: readonly number[]) => void;
  private readonly refused = new Map<number, { times: number; since: number }>();
  private readonly keptOut = new Map<number, NodeJS.Timeout>();

  constructor(keepOut: (uids: readonly number[]) => void) {
    this.keepOut = keepOut;
  }

  /** A connection of this user was closed at once. `now`: milliseconds. */
  note(uid: number, now: number): void {
    if (this.keptOut.has(uid)) return;
    const found = this.refused.get(uid);
    if (found === undefined || now - found.since > WITHIN_MS) {
      this.refused.delete(uid);
      this.refused.set(uid, { times: 1, since: now });
      if (this.refused.size > MOST_KEPT_OUT)
        for (const [oldest] of this.refused) return void this.refused.delete(oldest);
      return;
    }
    if (++found.times <= REFUSED_MOST || this.keptOut.size >= MOST_KEPT_OUT) return;
    this.refused.delete(uid);
    this.keptOut.set(uid, setTimeout(() => this.letIn(uid), KEPT_OUT_MS).unref());
    this.tell();
  }

  close(): void {
    for (const timer of this.keptOut.values()) clearTimeout(timer);
    this.keptOut.clear();
  }

  private letIn(uid: number): void {
    this.keptOut.delete(uid);
    this.tell();
  }

  private tell(): void {
    this.keepOut([...this.keptOut.keys()]);
  }
}
