/**
 * The rules of kernels such as 6.1 for the stack of programs. A program that this kernel accepts may be refused there:
 *
 * - A chain of functions has 512 octets. There each function counts in steps of 32 octets, here in steps of 16.
 * - There a number that is written to the first half of eight octets is kept as that of a register, unless it is 0 or the verifier does not know it. Then
 *   the other half may not be written by users without CAP_PERFMON.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';

const MOST = 512;
const STEP = 32;
const OBJECTS = ['teredo', 'server', 'steer', 'share'];

interface BpfFunction {
  readonly name: string;
  /** Octets. */
  readonly stack: number;
  readonly calls: readonly string[];
  /** Writes to the second half of eight octets after a number in the first half. */
  readonly secondHalves: readonly string[];
}

test.each(OBJECTS)('bpf/%s.bpf.o: uses the stack only as 6.1 permits', (object) => {
  const programs = load(`bpf/${object}.bpf.o`);
  expect(programs.size).toBeGreaterThan(0);
  for (const functions of programs.values()) {
    const chain = deepestFrom([...functions.keys()][0]!, functions);
    const text = chain.map(({ name, stack }) => `${name} ${stack}`).join(' > ');
    expect(needOf(chain), text).toBeLessThanOrEqual(MOST);
    for (const { name, secondHalves } of functions.values()) expect(secondHalves, name).toEqual([]);
  }
});

test('a second half that is written after a number in the first half is found', () => {
  const number = ['61) r1 = *(u32 *)(r9 +36)', '63) *(u32 *)(r10 -72) = r1'];
  const second = '63) *(u32 *)(r10 -68) = r2';
  const found = (...lines: string[]): string[] => secondHalvesIn(lines.map((line, i) => `  ${i}: (${line}`));
  expect(found(...number, second)).toEqual([`  2: (${second}`]);
  expect(found(second, ...number)).toEqual([]);
  expect(found(...number, '63) *(u32 *)(r10 -60) = r2')).toEqual([]);
  expect(found('b7) r1 = 0', '63) *(u32 *)(r10 -72) = r1', second)).toEqual([]);
  expect(found(number[0]!, '87) r1 = -r1', number[1]!, second)).toEqual([]);
});

/** The functions of each program of an object, the program's own first, with their stacks as the verifier reports them. */
function load(object: string): Map<string, Map<string, BpfFunction>> {
  const pins = `/sys/fs/bpf/teredo-test-${process.pid}`;
  onTestFinished(() => rmSync(pins, { recursive: true, force: true }));
  const { stderr: log } = bpftool('-d', 'prog', 'loadall', object, pins);
  const logs = log.matchAll(/prog '(\w+)': -- BEGIN PROG LOAD LOG --([^]*?)-- END PROG LOAD LOG --/g);
  return new Map(
    [...logs].map(([, name, text]) => {
      const stacks = /^stack depth ([\d+]+)/m.exec(text!)![1]!.split('+').map(Number);
      const { stdout } = bpftool('prog', 'dump', 'xlated', 'pinned', `${pins}/${name}`);
      return [name!, functionsOf(stdout, stacks)];
    }),
  );
}

/** The instructions of a function come behind a line with its head, and functions are in the order of their stacks. */
function functionsOf(dump: string, stacks: readonly number[]): Map<string, BpfFunction> {
  const parts = dump.split(/^[a-z_][^;\n]*?(\w+)\(.*\):$/m).slice(1);
  const names = parts.filter((_, i) => i % 2 === 0);
  expect(names).toHaveLength(stacks.length);
  return new Map(
    names.map((name, i) => {
      const calls = [...parts[2 * i + 1]!.matchAll(/call pc[+-]\d+#bpf_prog_[\da-f]{16}_(\w+)/g)];
      const secondHalves = secondHalvesIn(parts[2 * i + 1]!.split('\n'));
      return [name, { name, stack: stacks[i]!, calls: calls.map(([, called]) => called!), secondHalves }];
    }),
  );
}

/** Of the instructions of a function, in the order of the code: a path may leave some out. */
function secondHalvesIn(lines: readonly string[]): string[] {
  const values = new Map<string, string>();
  const firstHalves = new Set<number>();
  return lines.filter((line) => {
    const [, width, place, register] = /\*\(u(\d+) \*\)\(r10 -(\d+)\) = (\w+)/.exec(line) ?? [];
    const [, changed, value] = /\) (r\d) [^ ]*= (.*)/.exec(line) ?? [];
    if (changed !== undefined) values.set(changed, value!);
    if (width === undefined || width === '64') return false;
    if (Number(place) % 8 !== 0) return firstHalves.has(Math.ceil(Number(place) / 8) * 8);
    if (values.get(register!) !== '0' && values.get(register!) !== `-${register}`)
      firstHalves.add(Number(place));
    return false;
  });
}

/** The chain of calls that needs the most stack. The kernel cuts names to 15 letters. */
function deepestFrom(start: string, functions: ReadonlyMap<string, BpfFunction>): BpfFunction[] {
  const own = functions.get(start) ?? [...functions.values()].find(({ name }) => name.startsWith(start))!;
  const chains = own.calls.map((called) => deepestFrom(called, functions));
  return [own, ...chains.reduce((a, b) => (needOf(b) > needOf(a) ? b : a), [])];
}

function needOf(chain: readonly BpfFunction[]): number {
  return chain.reduce((total, { stack }) => total + Math.max(1, Math.ceil(stack / STEP)) * STEP, 0);
}

function bpftool(...words: readonly string[]): { readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync('bpftool', words, { encoding: 'utf8', maxBuffer: 64 << 20 });
  expect(status, stderr.slice(-2_000)).toBe(0);
  return { stdout, stderr };
}
