import { readFileSync } from 'node:fs';

const LOOK_MS = 20;

/** ms: on a processor, and waiting for one. */
interface Times {
  readonly ran: number;
  readonly waited: number;
}

const NONE: Times = { ran: 0, waited: 0 };

/**
 * The time since the call, ms, without the time for which one of these processes could run and waited for a processor; without processes: this thread. Other
 * programs of the machine have taken that time. The waits of several overlap, and each may cause those of the others: so only the longest is left out, and the
 * result is no less than the time for which one of them has run. The time in which a process rests counts, such as until a timer or an answer, and so do the waits of
 * this thread meanwhile. For upper limits: a timer may run out meanwhile. The wait of a process between the last look and its end is not known, and counts.
 */
export function stopwatch(processes?: () => readonly number[]): () => number {
  const begun = performance.now();
  const before = timesOf(processes?.());
  const latest = new Map(before);
  return () => {
    for (const [thread, times] of timesOf(processes?.())) latest.set(thread, times);
    const passed = performance.now() - begun;
    const since = [...latest].map(([thread, { ran, waited }]) => {
      const { ran: ranBefore, waited: waitedBefore } = before.get(thread) ?? NONE;
      return { ran: ran - ranBefore, waited: waited - waitedBefore };
    });
    // The kernel counts a wait at its end: one that had begun before counts as a whole, so that it may be longer than the time that has passed.
    const left = Math.max(0, passed - Math.max(0, ...since.map(({ waited }) => waited)));
    return Math.max(left, ...since.map(({ ran }) => ran));
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

/** The times of each thread since it began. Of the processes the main threads: the others compile, collect and read files. */
function timesOf(processes?: readonly number[]): Map<string, Times> {
  const threads = processes?.map((pid) => `${pid}/task/${pid}`) ?? ['thread-self'];
  return new Map(threads.flatMap((thread) => timesOfThread(thread)));
}

/** Documentation/scheduler/sched-stats.rst */
function timesOfThread(thread: string): [string, Times][] {
  try {
    const [ran, waited] = readFileSync(`/proc/${thread}/schedstat`, 'utf8').split(' ');
    return [[thread, { ran: Number(ran) / 1e6, waited: Number(waited) / 1e6 }]];
  } catch {
    return []; // it has ended
  }
}
