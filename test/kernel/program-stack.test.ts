/**
 * The kernel gives a chain of functions 512 octets of stack; kernels such as 6.1 count each function in steps of 32 octets, newer ones in
 * steps of 16. So a program that this kernel accepts may be refused there.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';

const MOST = 512;
const STEP = 32;
/** The longest chain of the programs: `serve`, `forward` and, for example, `hash`. */
const MOST_FUNCTIONS = 3;

test.each(['teredo', 'server'])(
  'bpf/%s.bpf.o: no chain of functions needs more stack than 6.1 gives',
  (name) => {
    const stacks = functionStacks(`bpf/${name}.bpf.o`);
    expect(stacks.length).toBeGreaterThan(0);
    for (const [program, ...functions] of stacks) {
      const called = functions.sort((a, b) => b - a).slice(0, MOST_FUNCTIONS - 1);
      expect(
        sum([program!, ...called].map(inSteps)),
        `${program} + ${called.join(' + ')}`,
      ).toBeLessThanOrEqual(MOST);
    }
  },
);

/** The stack of each program of an object, and of all functions that it calls, in octets, as the verifier reports it. */
function functionStacks(object: string): number[][] {
  const pins = `/sys/fs/bpf/teredo-test-${process.pid}`;
  onTestFinished(() => rmSync(pins, { recursive: true, force: true }));
  const { status, stderr } = spawnSync('bpftool', ['-d', 'prog', 'loadall', object, pins], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  expect(status, stderr.slice(-2_000)).toBe(0);
  return [...stderr.matchAll(/^stack depth ([\d+]+)/gm)].map(([, depths]) => depths!.split('+').map(Number));
}

function inSteps(octets: number): number {
  return Math.max(1, Math.ceil(octets / STEP)) * STEP;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
