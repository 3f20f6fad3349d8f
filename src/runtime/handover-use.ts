import type { CancelTimer, Clock, Handover } from '../io/ports.ts';
import { survive } from '../io/system-failures.ts';

/** The least time between two writings of the state, for the successor of a process that is killed; with more peers, this for each peer. */
const [SAVE_MS, SAVE_MS_A_PEER] = [1_000, 1];

/** The state of a role. */
export interface LeftState {
  /** `isLast`: the role ends now. */
  write(now: number, isLast: boolean): Uint8Array;
  /** How many peers it has, about. */
  readonly peers: number;
}

/** Passes the state of a role to its successor, where a service manager keeps it in between. */
export class HandoverUse {
  private readonly handover: Handover | undefined;
  private readonly state: LeftState;
  private readonly clock: Clock;
  private cancelTimer: CancelTimer | undefined;

  constructor(handover: Handover | undefined, clock: Clock, state: LeftState) {
    this.handover = handover;
    this.clock = clock;
    this.state = state;
  }

  /** The predecessor's state as `read` understands it; undefined: there is none. `writtenAt`: on this process's clock, `agoMs` before now. */
  read<T>(read: (state: Uint8Array, writtenAt: number, agoMs: number) => T): T | undefined {
    const left = this.handover?.left;
    return left === undefined ? undefined : read(left.state, this.clock.now() - left.agoMs, left.agoMs);
  }

  /** The role runs: from now on its state is left to its successor. */
  start(): void {
    if (this.handover === undefined) return;
    const interval = Math.max(SAVE_MS, SAVE_MS_A_PEER * this.state.peers);
    this.cancelTimer = this.clock.setTimer(this.clock.now() + interval, () => {
      this.start();
      this.save();
    });
  }

  /** Writes the state now, if the role runs. */
  save(isLast = false): void {
    if (this.cancelTimer === undefined) return;
    survive(() => this.handover!.leave(this.state.write(this.clock.now(), isLast)));
  }

  /** Writes the state for the last time, unless the role never ran. */
  close(): void {
    this.save(true);
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }
}
