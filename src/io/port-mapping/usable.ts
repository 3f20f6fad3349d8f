import type { Endpoint } from '../../wire/index.ts';

/** A gateway that is off-line itself names no address outside, or none that can be. */
export function isUsable({ address, port }: Endpoint): boolean {
  const first = address >>> 24;
  return port !== 0 && first !== 0 && first !== 127 && first < 224;
}
