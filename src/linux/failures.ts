import { errorName } from './errors.ts';

/** Number of failures by the error's name. */
export type Failures = Record<string, number>;

/** `error`: its number, or its name. */
export function countFailure(failures: Failures, error: number | string, times = 1): void {
  const name = typeof error === 'string' ? error : errorName(error);
  failures[name] = (failures[name] ?? 0) + times;
}
