/** The kernel path makes a tally for one in so many octets of native prefixes, on average. */
export const OCTETS_PER_TALLY = 65_536;
/** In standard deviations: the error is larger in less than 1 of 100 cases. */
const CONFIDENCE = 3;

/** The error of a number of octets that is estimated from tallies. */
export function tallyingError(octets: number): number {
  return CONFIDENCE * Math.sqrt(octets * OCTETS_PER_TALLY);
}
