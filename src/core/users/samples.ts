/** The kernel path counts one in so many octets of native prefixes, chosen at random. */
export const OCTETS_PER_SAMPLE = 65_536;
/** In standard deviations: in more than 99 of 100 cases the error is less. */
const CONFIDENCE = 3;

/** The error of a number of octets that is known from samples. */
export function samplingError(octets: number): number {
  return CONFIDENCE * Math.sqrt(octets * OCTETS_PER_SAMPLE);
}
