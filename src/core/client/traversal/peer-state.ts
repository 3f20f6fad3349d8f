import type { ClientContext } from '../context.ts';
import type { PeerPath } from './peer-path.ts';

/**
 * The state of a peer: whether packets reach it where it is sent to.
 *
 *     sought      not valid: not trusted, or silent for 30 s (CL-60)
 *     unproven    valid, but the pair in its address may be wrong, and no nonce has proven it
 *     unknown     nothing shows whether it hears us: no place was settled, or it was settled in the instant of the last sign
 *     heard       its place is settled; no sign since then that it hears us
 *     confirmed   a sign has come since then: a packet, or an advertisement that answers a question
 *     deaf        it does not hear us at its place, where no sign has ever come
 *     broken      it does not hear us any more at its place
 *
 * A peer is reached while it is unknown, heard or confirmed. `sought` and `unproven` follow from other facts and hide the other five. These are
 * stored, and change by these events and no others; a sign from an unproven peer does not count (peer-state.test.ts reads this table):
 *
 *     event        from        to          when
 *     settled      unknown     heard
 *     settled      unknown     unknown     in the instant of the last sign
 *     settled      heard       heard
 *     settled      confirmed   heard
 *     settled      confirmed   unknown     in the instant of the last sign
 *     settled      deaf        heard       on a way that leads back
 *     settled      deaf        deaf        on the service port, which says nothing about the way back
 *     settled      broken      heard       on a way that leads back
 *     settled      broken      deaf        on the service port, which says nothing about the way back
 *     sign         unknown     confirmed
 *     sign         unknown     unknown     in the instant of settling
 *     sign         heard       confirmed
 *     sign         heard       unknown     in the instant of settling
 *     sign         confirmed   confirmed
 *     sign         deaf        confirmed
 *     sign         deaf        unknown     in the instant of settling
 *     sign         broken      confirmed
 *     unanswered   unknown     broken
 *     unanswered   heard       deaf
 *     unanswered   confirmed   broken
 *
 * Example of `deaf`: our symmetric NAT admits bubbles from everywhere to the service port. It shows ours to the peer at another port, where the
 * peer's NAT drops them.
 * Example of `broken`: data passed both ways. Then the peer's NAT lost its mapping: the peer asks through its server, and does not answer a
 * question sent to its place.
 */
export type PeerState = 'sought' | 'unproven' | Hearing;

/** The stored part. */
export type Hearing = 'unknown' | 'heard' | 'confirmed' | 'deaf' | 'broken';

/** A peer without a sign for this long after settling starts again when it is settled again. Until then it is asked more often. */
const UNCONFIRMED_MS = 10_000;
/** A peer has had time to answer this long after settling. */
const IN_VAIN_MS = 1_000;
/** A peer that asks through its server, and gave no sign for this long, may not hear us. */
const QUIET_MS = 500;

/** Whether a peer hears us at its place. All changes of it are made here. */
export class PeerHearing {
  private state: Hearing = 'unknown';
  private settledAt = -Infinity;
  private signAt = -Infinity;

  get current(): Hearing {
    return this.state;
  }

  /** A sign has come since the place was settled. */
  get isConfirmed(): boolean {
    return this.state === 'confirmed';
  }

  /** The peer does not hear us. */
  get isUnheard(): boolean {
    return this.state === 'deaf' || this.state === 'broken';
  }

  /** No sign has come since the place was settled. */
  get isWithoutSign(): boolean {
    return this.state === 'heard' || this.state === 'deaf';
  }

  /** Whether no sign has come for a time in which a peer that hears us gives one. */
  isInVain(now: number): boolean {
    return this.isWithoutSign && now - this.settledAt >= IN_VAIN_MS;
  }

  /** Whether the place was settled lately, and no sign has come since. */
  isUnconfirmed(now: number): boolean {
    return this.isWithoutSign && now - this.settledAt < UNCONFIRMED_MS;
  }

  /** Whether the place was not settled, and no sign has come, a moment ago. */
  isQuiet(now: number): boolean {
    return now - this.settledAt >= QUIET_MS && now - this.signAt >= QUIET_MS;
  }

  hasSignSince(time: number): boolean {
    return this.signAt >= time;
  }

  hasSignWithin(milliseconds: number, now: number): boolean {
    return now - this.signAt < milliseconds;
  }

  /** The peer is trusted at a place. `leadsBack`: by a way that is not known to lead to us only. */
  settle(leadsBack: boolean, now: number): void {
    const isUnheard = this.isUnheard && !leadsBack;
    // Without a sign, settling again continues the earlier attempt. Later it starts again.
    if (!this.isWithoutSign || now - this.settledAt >= UNCONFIRMED_MS) this.settledAt = now;
    if (isUnheard) this.state = 'deaf';
    else this.state = this.signAt === this.settledAt ? 'unknown' : 'heard';
  }

  /** A packet or an answer has come from its place. */
  noteSign(now: number): void {
    this.signAt = now;
    this.state = now === this.settledAt ? 'unknown' : 'confirmed';
  }

  /** No sign has come although one was due. */
  noteUnanswered(): void {
    this.state = this.state === 'heard' ? 'deaf' : 'broken';
  }
}

/** The state of a peer that has a path. */
export function stateOf(context: ClientContext, path: PeerPath, now: number): PeerState {
  if (!context.peers.isValid(path.peer, now)) return 'sought';
  return isPlaceUnproven(context, path) ? 'unproven' : path.hearing.current;
}

/** Whether packets reach the peer where it is sent to, for all that is known. */
export function isReached(context: ClientContext, path: PeerPath, now: number): boolean {
  const state = stateOf(context, path, now);
  return state === 'unknown' || state === 'heard' || state === 'confirmed';
}

/**
 * Whether the pair at which a trusted peer is sent to may be wrong. A host that forges the peer's address knows the pair in it. Where the NAT of
 * either side is symmetric, the peer comes from another pair, which only our nonce proves.
 * Example: the peer's bubbles have nonces, and our NAT is symmetric. A bubble without our nonce from the pair in its address may be forged.
 */
export function isPlaceUnproven({ qualified }: ClientContext, path: PeerPath): boolean {
  if (path.byNonce || !path.hasNonces) return false;
  return path.isSymmetric || qualified!.symmetric;
}
