import { vi } from 'vitest';

/** Waits until the machine has been up for this time (ms): tests set times in the past, and there are none before its start. For a `beforeAll`. */
export async function upFor(ms: number): Promise<void> {
  const isUp = (): void => {
    if (Number(process.hrtime.bigint()) / 1e6 < ms) throw new Error('the machine has just started');
  };
  await vi.waitFor(isUp, { timeout: ms, interval: 100 });
}
