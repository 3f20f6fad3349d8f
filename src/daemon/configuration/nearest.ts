import { distance } from 'fastest-levenshtein';

/**
 * The end of a sentence about a name that there is not: asks whether a similar one was meant. At most a third of the letters may differ, of
 * those behind a prefix that all names have.
 */
export function orNearest(name: string, known: readonly string[], prefix = ''): string {
  const own = name.slice(prefix.length);
  const [nearest] = known
    .map((other) => ({ other, faults: typingFaults(own, other.slice(prefix.length)) }))
    .filter(({ faults }) => faults <= own.length / 3)
    .toSorted((a, b) => a.faults - b.faults);
  return nearest === undefined ? '' : `: did you mean "${nearest.other}"?`;
}

/** How many letters are missing, too many or wrong. Two letters in the wrong order are one fault, once. */
function typingFaults(name: string, meant: string): number {
  const letters = name.split('');
  const swapped = letters.slice(1).map((_, i) => letters.with(i, letters[i + 1]!).with(i + 1, letters[i]!));
  return Math.min(distance(name, meant), ...swapped.map((one) => 1 + distance(one.join(''), meant)));
}
