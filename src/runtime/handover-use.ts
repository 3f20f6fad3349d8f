import type { CancelTimer, Clock, Handover, NextState } from '../io/ports.ts';
import { within } from '../io/deadline.ts';
import { InTurns } from '../io/kernel-path/in-turns.ts';
import { survive } from '../io/system-failures.ts';
import { RECORD } from './handover-peers.ts';

/** The least time between two writings of the state, for the successor of a process that is killed; with more peers, this for each peer. */
const [SAVE_MS, SAVE_MS_A_PEER] = [1_000, 1];
/** How long a role that ends writes its state while it still carries packets. The rest is written in one turn. */
const LEAVE_MS = 2_000;

/** The state of a role, of which each part is made when it is taken: the role works on in between. */
export interface StateParts {
  readonly header: Uint8Array;
  /** Undefined: only {@link end} is left. */
  next(): Uint8Array | undefined;
  /** The changes meanwhile, and the end: then the whole is the state of this moment. `isLast`: the role ends now. */
  end(isLast: boolean): Iterable<Uint8Array>;
  /** No more of it is taken. */
  cancel(): void;
}

/** The state of a role. */
export interface LeftState {
  begin(now: number): StateParts;
  /** How many peers it has, about. */
  readonly peers: number;
}

/** One writing of the state. */
interface Writing {
  readonly parts: StateParts;
  readonly to: NextState;
}

/** Passes the state of a role to its successor, where a service manager keeps it in between. */
export class HandoverUse {
  private readonly handover: Handover | undefined;
  private readonly state: LeftState;
  private readonly clock: Clock;
  private readonly turns: InTurns;
  private cancelTimer: CancelTimer | undefined;
  private writing: Writing | undefined;
  /** The state has changed in a way that the one being written may not have. */
  private isStale = false;
  /** The role is about to end: the end of the state is not written yet. */
  private onWalked: (() => void) | undefined;
  private preparing: Promise<void> | undefined;

  constructor(handover: Handover | undefined, clock: Clock, state: LeftState) {
    this.handover = handover;
    this.clock = clock;
    this.state = state;
    this.turns = new InTurns(clock, (action) => this.orGiveUp(action));
  }

  /** The predecessor's state as `read` understands it; undefined: there is none. `writtenAt`: on this process's clock, `agoMs` before now. */
  read<T>(read: (state: Uint8Array, writtenAt: number, agoMs: number) => T): T | undefined {
    const left = this.handover?.takeLeft();
    return left === undefined ? undefined : read(left.state, this.clock.now() - left.agoMs, left.agoMs);
  }

  /** The role runs: from now on its state is left to its successor. */
  start(): void {
    if (this.handover === undefined) return;
    const interval = Math.max(SAVE_MS, SAVE_MS_A_PEER * this.state.peers);
    this.cancelTimer = this.clock.setTimer(this.clock.now() + interval, () => {
      this.start();
      // One that is being written will have the peers of its end.
      if (this.writing === undefined) this.save();
    });
  }

  /** Something that a state has from its beginning has changed. Writes the state, if the role runs: a small one now, a large one in turns. */
  save(): void {
    if (this.cancelTimer === undefined) return;
    this.isStale = this.writing !== undefined;
    // Of a role that is about to end, close() leaves nothing to later turns.
    if (this.writing === undefined || this.onWalked !== undefined) this.orGiveUp(() => this.beginLast());
  }

  /**
   * The role is about to end. Resolves when all but the end of the state is written, or after some time: the role works on meanwhile. Undefined: it may
   * end at once.
   */
  prepareClose(): Promise<void> | undefined {
    if (this.cancelTimer === undefined || this.preparing !== undefined) return this.preparing;
    let isWalked = false;
    const walked = new Promise<void>((resolve) => {
      this.onWalked = () => {
        isWalked = true;
        resolve();
      };
    });
    this.orGiveUp(() => this.beginLast());
    if (!isWalked) this.preparing = within(LEAVE_MS, walked, undefined);
    return this.preparing;
  }

  /** Writes the state for the last time, unless the role never ran. */
  close(): void {
    if (this.cancelTimer === undefined) return;
    this.onWalked ??= () => {};
    this.orGiveUp(() => {
      this.beginLast();
      this.turns.finish();
      this.end(true);
    });
    this.cancelTimer();
    this.cancelTimer = undefined;
  }

  private begin(): void {
    const to = this.handover!.replace(RECORD * this.state.peers);
    const parts = this.state.begin(this.clock.now());
    this.writing = { parts, to };
    this.isStale = false;
    to.add(parts.header);
    this.turns.begin(write(this.writing), () => {
      if (this.onWalked === undefined) this.end(false);
      else this.onWalked();
    });
  }

  /** One that is being written will do, unless it lacks something. */
  private beginLast(): void {
    if (this.writing !== undefined && !this.isStale) return;
    this.turns.cancel();
    this.writing?.parts.cancel();
    this.begin();
  }

  private end(isLast: boolean): void {
    const { writing } = this;
    if (writing === undefined) return;
    for (const part of writing.parts.end(isLast)) writing.to.add(part);
    writing.to.end();
    this.writing = undefined;
    if (this.isStale && !isLast) this.save();
  }

  /** After an error the successor has the state that was written before. */
  private orGiveUp(action: () => void): void {
    survive(() => {
      try {
        action();
      } catch (error) {
        this.turns.cancel();
        this.writing?.parts.cancel();
        this.writing = undefined;
        this.onWalked?.();
        throw error;
      }
    });
  }
}

function* write({ parts, to }: Writing): Generator<void> {
  for (let part = parts.next(); part !== undefined;) {
    to.add(part);
    part = parts.next();
    if (part !== undefined) yield;
  }
}
