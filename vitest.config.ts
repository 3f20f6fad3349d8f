import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

const isAll = process.env['TEREDO_TEST_ALL'] === '1';

const ATTACKS = 'test/attack/**/*.test.ts';
/** Code without any state of its own, whose test files may share a process: starting one for each takes longer than most run. */
const PURE = ['src/{wire,core,sim}/**/*.test.ts', 'test/{model,scenario,wire}/**/*.test.ts'];
/** Tests that need root and namespaces of their own; a plain user's run skips them. */
const KERNEL = ['test/kernel/**/*.test.ts', 'test/interop/**/*.test.ts', ATTACKS];
/** Of these, those that measure what a flood or a change costs: with nothing beside them. In the long form all floods are longer. */
const ALONE = [isAll ? ATTACKS : 'test/attack/client.test.ts', 'test/kernel/relay-changes.test.ts'];
/** Of all these, those in which the kernel has most to do, once more with the kernel doing it: as many as ten minutes allow. */
const KERNEL_PATH = [
  'test/kernel/{coming-back,on-the-wire,sizes}.test.ts',
  'test/interop/combinations.test.ts',
  'test/attack/client-peers.test.ts',
];
/** Where they take minutes, only so. */
const KERNEL_PATH_ONLY = ['test/kernel/coming-back.test.ts'];
/** `TEREDO_TEST_ALL=1 npm test`: all in which a role of ours runs. */
const KERNEL_PATH_ALL = [
  'test/kernel/{coming-back,commands,found-again,nat-gateways,nat-pairs,nat-rows,on-the-wire,sizes,topologies}.test.ts',
  'test/interop/**/*.test.ts',
];

const isRoot = process.getuid?.() === 0;

/** After the others: they would take the processors from under the labs. */
const real = {
  ...(isRoot ? {} : { runner: './test/support/needs-root-runner.ts' }),
  // Two cores, of which four labs at a time leave a quarter idle while they wait.
  maxWorkers: 6,
  sequence: { groupOrder: 1 },
  testTimeout: 120_000,
  hookTimeout: 60_000,
};

const alone = { ...real, maxWorkers: 1 };
const KERNEL_PATH_ENV = { TEREDO_TEST_DATA_PATH: 'kernel' };

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'pure', include: PURE, isolate: false, testTimeout: 60_000, maxWorkers: 3 } },
      {
        test: {
          name: 'memory',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...KERNEL, ...PURE],
          // Some wait for programs; by itself vitest would leave a processor of two to others.
          maxWorkers: 3,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'kernel',
          include: KERNEL,
          exclude: [...ALONE, ...(isAll ? [] : KERNEL_PATH_ONLY)],
          ...real,
        },
      },
      { test: { ...alone, name: 'alone', include: ALONE, sequence: { groupOrder: 2 } } },
      ...(isAll
        ? [
            {
              test: {
                ...alone,
                name: 'alone, kernel path',
                sequence: { groupOrder: 3 },
                include: [ATTACKS],
                env: KERNEL_PATH_ENV,
              },
            },
          ]
        : []),
      {
        test: {
          name: 'kernel path',
          include: isAll ? KERNEL_PATH_ALL : KERNEL_PATH,
          env: KERNEL_PATH_ENV,
          ...real,
        },
      },
    ],
  },
});
