import { vi } from 'vitest';

/** Waits until `check` no longer throws. Generous: these machines may be busy with other tests. */
export function eventually<T>(check: () => T): Promise<T> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}
