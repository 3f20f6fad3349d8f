import type { Endpoint } from '../../wire/index.ts';

/** A gateway that itself has no connection reports no external address, or an invalid one. */
export function isUsable({ address, port }: Endpoint): boolean {
  const first = address >>> 24;
  return port !== 0 && first !== 0 && first !== 127 && first < 224;
}
