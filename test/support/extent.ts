/** `TEREDO_TEST_ALL=1`: all combinations, not only a selection. */
export const IS_ALL = process.env['TEREDO_TEST_ALL'] === '1';

/** All cases with `TEREDO_TEST_ALL=1`; otherwise every nth, beginning with the first. */
export function everyNth<T>(n: number, cases: readonly T[]): readonly T[] {
  return IS_ALL ? cases : cases.filter((_, i) => i % n === 0);
}
