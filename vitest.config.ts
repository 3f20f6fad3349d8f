import { defineConfig } from 'vitest/config';

/** Tests that need root and namespaces of their own; a plain user's run skips them. */
const KERNEL = ['test/kernel/**/*.test.ts', 'test/interop/**/*.test.ts', 'test/attack/**/*.test.ts'];
/** Of these, those in which packets of verified peers cross: once more with the kernel carrying them. */
const BOTH_PATHS = [
  'test/kernel/{coming-back,commands,nat-pairs,sizes,topologies}.test.ts',
  'test/interop/**/*.test.ts',
  'test/attack/{client,hostile-bytes,neighbour,relay}.test.ts',
];

const isRoot = process.getuid?.() === 0;

/** After the others: they would take the processors from under the labs. */
const real = {
  ...(isRoot ? {} : { runner: './test/support/needs-root-runner.ts' }),
  // Two cores, of which tests leave a quarter idle while they wait; more labs at a time would blur what is measured.
  maxWorkers: 3,
  sequence: { groupOrder: 1 },
  testTimeout: 120_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    projects: [
      {
        test: {
          name: 'memory',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: KERNEL,
          testTimeout: 60_000,
        },
      },
      { test: { name: 'kernel', include: KERNEL, ...real } },
      {
        test: {
          name: 'kernel path',
          include: BOTH_PATHS,
          env: { TEREDO_TEST_DATA_PATH: 'kernel' },
          ...real,
        },
      },
    ],
  },
});
