import { readFileSync } from 'node:fs';

/**
 * The time since the call, ms, without the time for which this thread, or one of these processes, could run and waited for a processor: other programs of the
 * machine have taken that time. What a process waits for by itself counts, such as a timer or an answer. For upper limits: a timer may run out meanwhile.
 */
export function stopwatch(processes: () => readonly number[] = () => []): () => number {
  const begun = performance.now();
  const before = new Map(places(processes).map((place) => [place, waitedMs(place)]));
  return () =>
    places(processes).reduce(
      (ms, place) => ms - waitedMs(place) + (before.get(place) ?? 0),
      performance.now() - begun,
    );
}

/** Those of main threads: the others of a Node.js process compile, collect and read files. */
function places(processes: () => readonly number[]): string[] {
  return ['thread-self', ...processes().map((pid) => `${pid}/task/${pid}`)];
}

/** How long a thread has waited for a processor since it began. 0: it has ended. Documentation/scheduler/sched-stats.rst */
function waitedMs(place: string): number {
  try {
    return Number(readFileSync(`/proc/${place}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}
