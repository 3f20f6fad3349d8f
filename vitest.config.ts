import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';
import { filesThatShare } from './test/support/own-process.ts';

const isAll = process.env['TEREDO_TEST_ALL'] === '1';

const ATTACKS = 'test/attack/**/*.test.ts';
/** Tests of code without global state. Their files share a process, because starting one takes longer than most of them run. */
const PURE = ['src/{wire,core,sim,dashboard}/**/*.test.ts', 'test/{bench,model,scenario,wire}/**/*.test.ts'];
/** Tests that need root and make network namespaces. Without root they are skipped. */
const KERNEL = ['test/kernel/**/*.test.ts', 'test/interop/**/*.test.ts', ATTACKS];
/** Those of them that measure the cost of a flood or a change: no other test runs at the same time. In the long form all floods are longer. */
const ALONE = [
  isAll ? ATTACKS : 'test/attack/client.test.ts',
  'test/kernel/{relay-changes,restart-client,restart-under-load,several-relays}.test.ts',
  ...(isAll ? ['test/kernel/restart.test.ts'] : []),
];
/** The kernel tests that run on the kernel path, too: those with the most traffic, as many as ten minutes allow. */
const KERNEL_PATH = [
  'test/kernel/{coming-back,on-the-wire,sizes}.test.ts',
  'test/interop/combinations.test.ts',
  'test/attack/client-peers.test.ts',
];
/** Those that take minutes: on the kernel path only. */
const KERNEL_PATH_ONLY = ['test/kernel/coming-back.test.ts'];
/** With `TEREDO_TEST_ALL=1`: all tests in which a role of this program runs. */
const KERNEL_PATH_ALL = [
  'test/kernel/{coming-back,commands,found-again,nat-gateways,nat-pairs,nat-rows,on-the-wire,sizes,topologies}.test.ts',
  'test/kernel/{drain,gateway-restarts,hole-punching,host-relay-nat}.test.ts',
  'test/interop/**/*.test.ts',
];
/** With `TEREDO_TEST_ALL=1`: the same with clients of several workers. */
const WORKERS_ALL = [
  'test/kernel/{coming-back,found-again,nat-gateways,nat-pairs,nat-rows,on-the-wire,sizes,topologies}.test.ts',
  'test/kernel/{gateway-restarts,hole-punching,host-relay-nat}.test.ts',
  'test/interop/combinations.test.ts',
];
/** The same alone: attacks on a client, or with one in the middle. */
const WORKERS_ALONE_ALL = [
  'test/attack/{client,client-advertisements,client-peers,hostile-bytes,nat-traversal,neighbour,newcomers}.test.ts',
];
/** Tests whose roles choose the kernel path themselves: once more with a program in the drivers. */
const ON_KERNEL_PATH = ['test/kernel/{drain,outer-checksums}.test.ts'];
const ON_KERNEL_PATH_ALL = [
  ...ON_KERNEL_PATH,
  'test/kernel/{arrivals,data-paths,host-firewall,host-rules,inbound,nothing-lost,own-sockets,path-proof}.test.ts',
  'test/kernel/{peer-traffic,seen-elsewhere,source-routes,uplink-changes,uplink-kinds,uplink-routes,users}.test.ts',
];

/**
 * Of the tests without root those that leave their process as it was: they share processes, because each would load the same modules again.
 * Those of the kernel's ports have descriptors, polls and refusals of their own.
 */
const SHARING = filesThatShare([
  'src/cli',
  'src/control',
  'src/daemon',
  'src/runtime',
  'test/cli',
  'test/package',
]);

const isRoot = process.getuid?.() === 0;

/** These tests run after the others, which would take processor time from the labs. */
const real = {
  ...(isRoot ? {} : { runner: './test/support/needs-root-runner.ts' }),
  // With four labs at a time two cores are idle for a quarter of the time.
  maxWorkers: 6,
  sequence: { groupOrder: 1 },
  testTimeout: 120_000,
  hookTimeout: 60_000,
};

// Some of these tests wait for programs. By default vitest would use one of two processors.
const memory = { maxWorkers: 3, testTimeout: 60_000 };
const alone = { ...real, maxWorkers: 1 };
const WORKERS_ENV = { TEREDO_TEST_WORKERS: '8' };
const KERNEL_PATH_ENV = { TEREDO_TEST_DATA_PATH: 'kernel' };
/** With a program in the drivers (adr/0034); at tc alone, with merging behind it (adr/0036). */
const XDP_ENV = { ...KERNEL_PATH_ENV, TEREDO_TEST_XDP: 'on' };
const MERGE_ENV = { ...KERNEL_PATH_ENV, TEREDO_TEST_MERGE: 'on' };

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...memory, name: 'pure', include: PURE, isolate: false } },
      {
        test: {
          ...memory,
          name: 'memory',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...KERNEL, ...PURE, ...SHARING],
        },
      },
      {
        test: {
          ...memory,
          name: 'memory, shared',
          include: SHARING,
          exclude: [...KERNEL, ...PURE],
          isolate: false,
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
                include: ALONE,
                env: MERGE_ENV,
              },
            },
            {
              test: {
                ...alone,
                name: 'alone, XDP',
                sequence: { groupOrder: 4 },
                include: ALONE,
                env: XDP_ENV,
              },
            },
            { test: { name: 'kernel path', include: KERNEL_PATH_ALL, env: MERGE_ENV, ...real } },
            {
              test: {
                ...alone,
                name: 'alone, workers',
                sequence: { groupOrder: 5 },
                include: WORKERS_ALONE_ALL,
                env: WORKERS_ENV,
              },
            },
            { test: { name: 'workers', include: WORKERS_ALL, env: WORKERS_ENV, ...real } },
          ]
        : []),
      {
        test: {
          name: isAll ? 'XDP' : 'kernel path',
          include: isAll ? [...KERNEL_PATH_ALL, ...ON_KERNEL_PATH_ALL] : [...KERNEL_PATH, ...ON_KERNEL_PATH],
          env: XDP_ENV,
          ...real,
        },
      },
    ],
  },
});
