import { closest, distance } from 'fastest-levenshtein';

/** The end of a sentence about a name that there is not: asks whether a similar one was meant. */
export function orNearest(name: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const nearest = closest(name, known);
  return distance(name, nearest) <= Math.max(2, name.length / 3) ? `: did you mean "${nearest}"?` : '';
}
