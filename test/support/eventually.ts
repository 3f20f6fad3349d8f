import { vi } from 'vitest';

/** Waits until `check` no longer throws. The time is long, because other tests may use the machine. */
export function eventually<T>(check: () => T, { timeout = 20_000, interval = 5 } = {}): Promise<T> {
  return vi.waitFor(check, { timeout, interval });
}
