import { TokenBuckets } from '../core/token-buckets.ts';
import type { Entropy } from '../core/entropy.ts';

/** The other end of a control connection: a process of a user. */
export interface Caller {
  readonly uid: number;
  readonly pid: number;
}

/** Connections of one process that are served: `ping --until-direct` makes 10 a second. */
const BY_PROCESS = { perSecond: 20, burst: 20 };
/** Of all processes of one user. */
const BY_USER = { perSecond: 50, burst: 100 };

/** Root, and the user that the daemon runs as: they can end it anyway. */
export function isMaster({ uid }: Caller): boolean {
  return uid === 0 || uid === process.getuid?.();
}

/** How many connections each local user, and each process of a user, may have served in some time. In constant memory. */
export class Admission {
  private readonly byProcess: TokenBuckets;
  private readonly byUser: TokenBuckets;

  constructor(entropy: Entropy) {
    this.byProcess = new TokenBuckets(BY_PROCESS, entropy);
    this.byUser = new TokenBuckets(BY_USER, entropy);
  }

  /** `now`: milliseconds. */
  admits(caller: Caller, now: number): boolean {
    if (isMaster(caller)) return true;
    const { uid, pid } = caller;
    // One that is refused takes nothing: processes share buckets, by hash.
    return (
      this.byUser.has(uid, 0, now) && this.byProcess.take(uid, pid, now) && this.byUser.take(uid, 0, now)
    );
  }
}

/**
 * Which of the callers that have a connection loses one to a new one: of the user with most of them the process with most of them, and
 * of these the first. Root's and the daemon's own user's give way to each other only; -1: none gives way.
 */
export function givesWay(present: readonly Caller[], newcomer: Caller): number {
  const strangers = present.filter((caller) => !isMaster(caller));
  if (strangers.length === 0 && !isMaster(newcomer)) return -1;
  const byUser = new Map<number, number>();
  const byProcess = new Map<number, number>();
  const candidates = strangers.length > 0 ? strangers : present;
  for (const { uid, pid } of candidates) {
    byUser.set(uid, (byUser.get(uid) ?? 0) + 1);
    byProcess.set(pid, (byProcess.get(pid) ?? 0) + 1);
  }
  let found: Caller | undefined;
  const weight = ({ uid, pid }: Caller): number => byUser.get(uid)! * 1_000 + byProcess.get(pid)!;
  for (const caller of candidates) if (found === undefined || weight(caller) > weight(found)) found = caller;
  return present.indexOf(found!);
}
