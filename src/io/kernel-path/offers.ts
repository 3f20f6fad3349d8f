import type { Endpoint } from '../../wire/index.ts';

/** A peer that may be carried, or no longer. */
export interface Offer {
  readonly peer: Uint8Array;
  /** Undefined: take it out. */
  readonly place: Endpoint | undefined;
  /** -Infinity: as known. */
  readonly heardAtMs: number;
}

/**
 * Does what the offers say, in their order. Where one cannot be put in, it and those after it are taken out: nobody is carried to where it no longer is. The
 * error is thrown at the end.
 */
export function followOffers(
  offers: readonly Offer[],
  takeOut: (peer: Uint8Array) => void,
  putIn: (peer: Uint8Array, place: Endpoint, heardAtMs: number) => void,
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
    takeOut(peer);
  }
  if (failure !== undefined) throw failure.error;
}
