/** `TEREDO_TEST_ALL=1`: every combination, and not only those that differ. */
export const IS_ALL = process.env['TEREDO_TEST_ALL'] === '1';

/** All cases with `TEREDO_TEST_ALL=1`; else each nth, the first included. */
export function everyNth<T>(n: number, cases: readonly T[]): readonly T[] {
  return IS_ALL ? cases : cases.filter((_, i) => i % n === 0);
}
