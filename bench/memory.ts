/** The memory that a relay needs for each known client: in its process, and in the kernel for its tables. */
import { readFileSync } from 'node:fs';
import { until } from '../src/lab/index.ts';
import type { Running } from '../src/lab/index.ts';
import { Crowd } from './crowd.ts';
import { family } from './variants.ts';
import { memoryOfPeer } from './result/names.ts';
import type { Row } from './row.ts';
import { TEREDO_VARIANTS } from './seats.ts';
import type { TeredoVariant } from './seats.ts';
import { whole } from './whole.ts';

interface Memory {
  /** Bytes: resident memory of the process. */
  readonly process: number;
  /** The same after a garbage collection; unchanged if the process has no garbage collector. */
  readonly collected: number;
  /** Bytes of the kernel's slabs of small objects. */
  readonly kernel: number;
}

const AT_ONCE = 100_000;
/** Larger than any entry, and smaller than the buffers of packets. */
const SMALL = 256;
/** Fields of a line of /proc/slabinfo. */
const [OBJECT_SIZE, PAGES_OF_SLAB, SLABS] = [3, 5, 14];
const PAGE = 4_096;

/** Differences between a number of clients and a small one, for each client. Measured once: it does not change from time to time. */
export const memory: Row = async ({ quick, results, say }) => {
  const [few, ...numbers] = quick ? [5_000, 20_000] : [20_000, 100_000, 1_000_000];
  for (const variant of TEREDO_VARIANTS) {
    say(variant);
    const [before, ...found] = await measureMemory(variant, [few!, ...numbers]);
    found.forEach((now, i) => {
      const bytes = (of: (memory: Memory) => number): number =>
        (of(now) - of(before!)) / (numbers[i]! - few!);
      const figure = (what: string): string => memoryOfPeer(numbers[i]!, what);
      results.add(
        figure('process before garbage is collected'),
        variant,
        bytes(({ process }) => process),
      );
      results.add(
        figure('process and kernel'),
        variant,
        bytes(({ collected, kernel }) => collected + kernel),
      );
    });
  }
};
/** The relay collects its garbage at a signal, and prints when that is done. */
const COLLECT = ['--expose-gc', '--import', `data:text/javascript,${collector()}`];

/**
 * Measures at each of these numbers of clients. The first should be small: the fixed memory of the program is then allocated. A
 * difference divided by the number of clients is the memory of one.
 */
async function measureMemory(variant: TeredoVariant, clients: readonly number[]): Promise<readonly Memory[]> {
  await using crowd = await Crowd.open(variant, COLLECT);
  const { relay } = crowd;
  const found: Memory[] = [];
  let met = 0;
  for (const count of clients) {
    for (let next; met < count; met = next) {
      next = Math.min(count, met + AT_ONCE);
      // The kernel gets a client with its second packet, each within the 30 s for which a client counts as heard.
      for (let times = 0; times < 2; times++) whole(await crowd.meet(met, next), next - met);
    }
    const process = residentBytes(relay);
    if (variant !== 'miredo') await collectGarbage(relay);
    found.push({ process, collected: residentBytes(relay), kernel: slabBytes() });
  }
  return found;
}

function collector(): string {
  const step = 'process.on("SIGUSR2",()=>{gc();gc();process.stderr.write("collected\\n")})';
  return encodeURIComponent(step);
}

async function collectGarbage(relay: Running): Promise<void> {
  const said = (): number => relay.output.split('collected\n').length;
  const before = said();
  relay.kill('SIGUSR2');
  await until('garbage collected', () => said() > before || undefined, 20_000);
}

function residentBytes(program: Running): number {
  return sum(family(program.pid), (pid) => {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
    return Number(kilobytes) * 1_024;
  });
}

/**
 * Of the whole machine, which must be quiet. The entries of the table of peers are there: the kernel allocates each when it is used. What it
 * accounts to the table (memlock) is less than it takes: it does not know the sizes in which slabs are divided.
 */
function slabBytes(): number {
  const lines = readFileSync('/proc/slabinfo', 'utf8').split('\n');
  const caches = lines
    .filter((line) => line.startsWith('kmalloc'))
    .map((line) => line.split(/\s+/).map(Number));
  const small = caches.filter((fields) => fields[OBJECT_SIZE]! <= SMALL);
  return sum(small, (fields) => fields[SLABS]! * fields[PAGES_OF_SLAB]! * PAGE);
}

function sum<T>(of: readonly T[], value: (one: T) => number): number {
  return of.reduce((total, one) => total + value(one), 0);
}
