/** Processor time of programs that do not belong to the bench. */
import { readFileSync, readdirSync } from 'node:fs';

export interface ProcessTime {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** Seconds of the process itself. */
  readonly own: number;
  /** Seconds of its children that have ended. */
  readonly ended: number;
}

export interface OtherWork {
  readonly seconds: number;
  /** The process with the most of it; undefined if there is none. */
  readonly most: { readonly pid: number; readonly name: string } | undefined;
}

/** kthreadd, the parent of the kernel's threads. They do the work of the bench's packets. */
const KTHREADD = 2;
const INIT = 1;

/** A line of /proc/PID/stat. The name may contain blanks and parentheses. */
export function parseStat(text: string): ProcessTime {
  const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
  const fields = text.slice(close + 2).split(' ');
  const ticks = (at: number): number => Number(fields[at]) / 100;
  return {
    pid: Number(text.slice(0, open)),
    parent: Number(fields[1]),
    name: text.slice(open + 1, close),
    own: ticks(11) + ticks(12),
    ended: ticks(13) + ticks(14),
  };
}

export function readProcesses(): ProcessTime[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))];
      } catch {
        return []; // it has ended meanwhile
      }
    });
}

/** The time that was used between two lists by programs other than the process `bench`, its descendants and the kernel's threads. */
export function otherWork(
  before: readonly ProcessTime[],
  after: readonly ProcessTime[],
  bench: number,
): OtherWork {
  const earlier = new Map(before.map((process) => [process.pid, process]));
  const counted = timeOfGone(earlier, new Set(after.map(({ pid }) => pid)));
  const foreign = withoutFamilies(after, [bench, KTHREADD]);
  let [seconds, most] = [0, undefined as { pid: number; name: string; used: number } | undefined];
  for (const { pid, name, own, ended } of foreign) {
    const then = earlier.get(pid);
    const ofChildren = ended - (then?.ended ?? 0) - (counted.get(pid) ?? 0);
    // Init gets the orphans of all, the bench's, too.
    const used = Math.max(0, own - (then?.own ?? 0)) + (pid === INIT ? 0 : Math.max(0, ofChildren));
    seconds += used;
    if (used > (most?.used ?? 0)) most = { pid, name, used };
  }
  return { seconds, most };
}

/**
 * The time before of processes that have ended since, by the nearest ancestor that is left. It is in that ancestor's time of ended children
 * now, with their whole lives.
 */
function timeOfGone(
  earlier: ReadonlyMap<number, ProcessTime>,
  left: ReadonlySet<number>,
): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const gone of earlier.values()) {
    if (left.has(gone.pid)) continue;
    let ancestor = gone.parent;
    while (!left.has(ancestor) && earlier.has(ancestor)) ancestor = earlier.get(ancestor)!.parent;
    times.set(ancestor, (times.get(ancestor) ?? 0) + gone.own + gone.ended);
  }
  return times;
}

function withoutFamilies(processes: readonly ProcessTime[], heads: readonly number[]): ProcessTime[] {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const isOf = (pid: number | undefined): boolean =>
    pid !== undefined && (heads.includes(pid) || isOf(parents.get(pid)));
  return processes.filter(({ pid }) => !isOf(pid));
}
