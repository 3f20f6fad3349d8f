import { readFileSync } from 'node:fs';

const LOOK_MS = 20;

/**
 * The time since the call, ms, without the time for which this thread, or one of these processes, could run and waited for a processor: other programs of the
 * machine have taken that time. What a process waits for by itself counts, such as a timer or an answer. For upper limits: a timer may run out meanwhile.
 * What a process has waited since the last look before its end is not known, and counts.
 */
export function stopwatch(processes: () => readonly number[] = () => []): () => number {
  const begun = performance.now();
  const before = waits(processes());
  const latest = new Map(before);
  return () => {
    const passed = performance.now() - begun;
    for (const [thread, ms] of waits(processes())) latest.set(thread, ms);
    return [...latest].reduce((left, [thread, ms]) => left - ms + (before.get(thread) ?? 0), passed);
  };
}

/** The same, until a process and its children have ended. */
export async function timeToEnd(pid: number, ended: Promise<unknown>): Promise<number> {
  const watch = stopwatch(() => familyOf(pid));
  const looks = setInterval(watch, LOOK_MS);
  await ended;
  clearInterval(looks);
  return watch();
}

/** A process, its children, theirs, and so on, as far as main threads began them. proc_pid_task(5) */
function familyOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return [pid, ...children.flatMap((child) => familyOf(Number(child)))];
  } catch {
    return []; // it has ended
  }
}

/** How long each thread has waited for a processor since it began. Of the processes the main threads: the others compile, collect and read files. */
function waits(processes: readonly number[]): Map<string, number> {
  const threads = ['thread-self', ...processes.map((pid) => `${pid}/task/${pid}`)];
  return new Map(threads.flatMap((thread) => waitOf(thread)));
}

/** Documentation/scheduler/sched-stats.rst */
function waitOf(thread: string): [string, number][] {
  try {
    return [[thread, Number(readFileSync(`/proc/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6]];
  } catch {
    return []; // it has ended
  }
}
