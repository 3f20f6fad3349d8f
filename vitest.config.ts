import { defineConfig } from 'vitest/config';

/** Tests that need root and namespaces of their own; a plain user's run skips them. */
const KERNEL = ['test/kernel/**/*.test.ts', 'test/interop/**/*.test.ts', 'test/attack/**/*.test.ts'];

const isRoot = process.getuid?.() === 0;

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
      {
        test: {
          name: 'kernel',
          include: KERNEL,
          ...(isRoot ? {} : { runner: './test/support/needs-root-runner.ts' }),
          // Two cores: more labs at a time would only slow each other down and blur what is measured.
          maxWorkers: 2,
          // After the others: they would take the processors from under the labs.
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
