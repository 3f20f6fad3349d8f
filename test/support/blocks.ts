import { PerformanceObserver } from 'node:perf_hooks';
import type { PerformanceEntry } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadTimeMs } from '../../src/io/thread-time.ts';

/** A turn of the event loop. */
export interface Block {
  /** The processor time that it has taken: other programs of the machine only make it wait, and that does not count. */
  readonly ms: number;
  /** The garbage collector has run in it: its time depends on all that the process of the test has allocated. */
  readonly hasCollected: boolean;
}

/** Shorter turns are not told apart. */
const LEAST_MS = 1;

/** All turns of this process that take longer than a millisecond while `work` is under way. */
export async function blocksDuring(work: Promise<unknown>): Promise<Block[]> {
  collectGarbage();
  const collections: number[] = [];
  const note = (entries: readonly PerformanceEntry[]): void =>
    entries.forEach(({ startTime }) => void collections.push(startTime));
  const observer = new PerformanceObserver((list) => note(list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  const turns = await turnsDuring(work);
  await new Promise((resolve) => setTimeout(resolve)); // the observer is told later
  note(observer.takeRecords());
  observer.disconnect();
  return turns.map(({ ms, from, to }) => ({
    ms,
    hasCollected: collections.some((at) => at >= from && at <= to),
  }));
}

interface Turn {
  readonly ms: number;
  readonly from: number;
  readonly to: number;
}

/**
 * A small function that is called for each turn. In the place of a loop that waits for each: the compiler of V8 makes such a loop anew again and again, within
 * the turns that it measures.
 */
function turnsDuring(work: Promise<unknown>): Promise<Turn[]> {
  const turns: Turn[] = [];
  let isDone = false;
  void work.finally(() => (isDone = true)).catch(() => {});
  return new Promise((resolve) => {
    let [before, from] = [threadTimeMs(), performance.now()];
    const turn = (): void => {
      const [now, to] = [threadTimeMs(), performance.now()];
      if (now - before > LEAST_MS) turns.push({ ms: now - before, from, to });
      before = now;
      from = to;
      if (isDone) resolve(turns);
      else setImmediate(turn);
    };
    setImmediate(turn);
  });
}

/** What the test has allocated before is not the work's. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/**
 * The memory that this process holds on to, MB. Resident memory also has pages of which V8 has no more use: threads of its own give them back, which wait for a
 * processor where other programs use it.
 */
export function heldMemory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

/** One request in so many may have a longer turn, for the machine has other work, and may stop this process within it; but none so many times as long. */
const [RARE, FAR] = [10, 4];

/** Why these turns are too long; undefined where they are not. A block of the requests themselves comes with many of them. */
export function tooLong(blocks: readonly Block[], requests: number, mostMs: number): string | undefined {
  const long = blocks.filter(({ ms }) => ms > mostMs);
  if (long.length <= requests / RARE && long.every(({ ms }) => ms <= FAR * mostMs)) return undefined;
  const inWords = long.map(
    ({ ms, hasCollected }) => `${ms.toFixed(2)} ms${hasCollected ? ' with garbage collection' : ''}`,
  );
  return `${inWords.join(', ')}; of ${blocks.length} turns`;
}

/**
 * The faults of so many rounds; undefined where one has none. A block of the work itself comes in each. One that the machine adds, such as the time of a
 * hypervisor, does not.
 */
export async function faultOfAll(
  rounds: number,
  round: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const faults: string[] = [];
  for (let i = 0; i < rounds; i++) {
    const fault = await round();
    if (fault === undefined) return undefined;
    faults.push(fault);
  }
  return faults.join('\n');
}

/** For the output of a test. */
export function blocksInWords(blocks: readonly Block[]): string {
  const longest = (some: readonly Block[]): string => Math.max(0, ...some.map(({ ms }) => ms)).toFixed(2);
  const own = blocks.filter(({ hasCollected }) => !hasCollected);
  const collecting = blocks.filter(({ hasCollected }) => hasCollected);
  return `${own.length} turns of at most ${longest(own)} ms, ${collecting.length} with garbage collection of at most ${longest(collecting)} ms`;
}
