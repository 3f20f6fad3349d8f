import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import type { CancelTimer, Clock, Handover } from '../io/ports.ts';
import { survive } from '../io/system-failures.ts';
import { readHandover, writeHandover } from './handover-state.ts';

/** The least time between two writings of the state, for the successor of a process that is killed; with more peers, this for each peer. */
const [SAVE_MS, SAVE_MS_A_PEER] = [1_000, 1];

/** Passes the trusted peers of a role to its successor, where a service manager keeps them in between. */
export class HandoverUse {
  private readonly handover: Handover | undefined;
  private readonly peers: PeerTable;
  private readonly clock: Clock;
  private cancelTimer: CancelTimer | undefined;

  constructor(handover: Handover | undefined, peers: PeerTable, clock: Clock) {
    this.handover = handover;
    this.peers = peers;
    this.clock = clock;
  }

  /** The peers that the predecessor has left. */
  get left(): Iterable<KnownPeer> {
    const left = this.handover?.left;
    return left === undefined ? [] : readHandover(left.state, this.clock.now() - left.agoMs);
  }

  /** The role runs: from now on its peers are left to its successor. */
  start(): void {
    if (this.handover === undefined) return;
    const interval = Math.max(SAVE_MS, SAVE_MS_A_PEER * this.peers.trustedCount);
    this.cancelTimer = this.clock.setTimer(this.clock.now() + interval, () => {
      this.start();
      this.save();
    });
  }

  /** Writes the state for the last time, unless the role never ran. */
  close(): void {
    if (this.cancelTimer === undefined) return;
    this.cancelTimer();
    this.cancelTimer = undefined;
    this.save();
  }

  private save(): void {
    survive(() => this.handover!.leave(writeHandover(this.peers, this.clock.now())));
  }
}
