import { errorName } from './errors.ts';

/** How often something failed, by the error's name. */
export type Failures = Record<string, number>;

export function countFailure(failures: Failures, error: number, times = 1): void {
  const name = errorName(error);
  failures[name] = (failures[name] ?? 0) + times;
}
