/**
 * The results of earlier proofs in a peer's entry, in one number: none since the latest answer; so many in a row have failed, though the peer was
 * heard; so many in a row, and the peer was not heard at all; or the host's own rules have refused a datagram to the peer.
 */
import { MOST_FAILURES } from '../../linux/bpf/peer-map.ts';

const MOST_FAILED = 7;
const MOST_UNHEARD = 6;
export const REFUSED = MOST_FAILURES;

/** A proof that has failed is tried again after this time, and twice as long after each further failure in a row, up to 2^6 times. */
const RETRY_MS = 10_000;
/**
 * A proof of a peer that was not heard at all says nothing about the path. Up to 2^5 times: a peer that is not heard for 30 s is carried no longer.
 */
export const RETRY_UNHEARD_MS = 1_000;

/** The history then, and how long to wait. */
export interface NextProof {
  readonly history: number;
  readonly afterMs: number;
}

/** The peer was heard meanwhile, but did not answer. */
export function afterFailure(history: number): NextProof {
  const failed = Math.min(failuresIn(history) + 1, MOST_FAILED);
  return { history: failed, afterMs: RETRY_MS * 2 ** (failed - 1) };
}

/** The peer was not heard at all. One that has failed before stays one that has failed. */
export function afterSilence(history: number): NextProof {
  const failed = failuresIn(history);
  const before = failed > 0 ? failed : history === REFUSED ? 0 : Math.max(0, history - MOST_FAILED);
  const times = before + 1;
  return {
    history: failed > 0 ? Math.min(times, MOST_FAILED) : MOST_FAILED + Math.min(times, MOST_UNHEARD),
    afterMs: RETRY_UNHEARD_MS * 2 ** (Math.min(times, MOST_UNHEARD) - 1),
  };
}

/** How many in a row have failed. */
export function failuresIn(history: number): number {
  return history <= MOST_FAILED ? history : 0;
}
