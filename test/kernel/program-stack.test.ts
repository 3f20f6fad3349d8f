/**
 * The kernel gives a chain of functions 512 octets of stack; kernels such as 6.1 count each function in steps of 32 octets, newer ones in
 * steps of 16. So a program that this kernel accepts may be refused there.
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
}

test.each(OBJECTS)('bpf/%s.bpf.o: no chain of functions needs more stack than 6.1 gives', (object) => {
  const programs = load(`bpf/${object}.bpf.o`);
  expect(programs.size).toBeGreaterThan(0);
  for (const functions of programs.values()) {
    const chain = deepestFrom([...functions.keys()][0]!, functions);
    const text = chain.map(({ name, stack }) => `${name} ${stack}`).join(' > ');
    expect(needOf(chain), text).toBeLessThanOrEqual(MOST);
  }
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
      return [name, { name, stack: stacks[i]!, calls: calls.map(([, called]) => called!) }];
    }),
  );
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
