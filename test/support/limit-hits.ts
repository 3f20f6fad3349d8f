import type { LimitHits, LimitName } from '../../src/core/limit-hits.ts';
import { formatIpv4 } from '../../src/wire/index.ts';

/**
 * How often a limit of a machine was reached, and the most frequent subject: an IPv4 address, or the first half of an IPv6 address in hexadecimal.
 */
export function reached(
  { limitHits }: { readonly limitHits: LimitHits },
  limit: LimitName,
): [number, string] {
  const { times, subjects } = limitHits.take(limit);
  const [first] = subjects;
  if (first === undefined) return [times, ''];
  const [high, low] = first.words;
  const hex = (word: number): string => word.toString(16).padStart(8, '0');
  return [times, first.kind === 'ipv4' ? formatIpv4(high) : hex(high) + hex(low)];
}
