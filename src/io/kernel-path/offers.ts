import type { Endpoint } from '../../wire/index.ts';

/** Where a peer is, and the port of the socket by which it is reached. */
export interface OfferedPlace extends Endpoint {
  readonly localPort: number;
}

/** A peer that is offered to the kernel path, or withdrawn from it. */
export interface Offer {
  readonly peer: Uint8Array;
  /** Undefined: the peer is withdrawn. */
  readonly place: OfferedPlace | undefined;
  /** -Infinity: the time that is already known. */
  readonly heardAtMs: number;
}

/**
 * Carries out the offers in their order. If one fails, it and all later ones are withdrawn instead: no peer may be carried to an address
 * that it has left. Throws the error at the end. `putIn` may put a peer in later, but not later than the next `finish`.
 */
export function followOffers(
  offers: readonly Offer[],
  takeOut: (peer: Uint8Array) => void,
  putIn: (peer: Uint8Array, place: OfferedPlace, heardAtMs: number) => void,
  finish: () => void,
): void {
  let failure: { readonly error: unknown } | undefined;
  for (const { peer, place, heardAtMs } of offers) {
    if (place !== undefined && failure === undefined) {
      try {
        putIn(peer, place, heardAtMs);
        continue;
      } catch (error) {
        failure = { error };
      }
    }
    finish();
    takeOut(peer);
  }
  finish();
  if (failure !== undefined) throw failure.error;
}
