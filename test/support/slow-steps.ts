import { onTestFinished, vi } from 'vitest';

/** Until the end of the test each step of long work seems to take a whole turn of the event loop. */
export function slowSteps(): void {
  const real = performance.now.bind(performance);
  let later = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => real() + (later += 2));
  onTestFinished(() => void vi.restoreAllMocks());
}
