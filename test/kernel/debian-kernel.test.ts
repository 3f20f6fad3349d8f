/**
 * Debian 12's own kernel, 6.1, in an emulator: it has neither the helper that unwraps in one step nor tcx. Runs with `TEREDO_TEST_ALL=1`
 * only: each test takes minutes.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MOST_MS = 3_600_000;
const VITEST = ['env', 'CI=1', 'NO_COLOR=1', 'node_modules/.bin/vitest', 'run'];

test.runIf(IS_ALL)('the demo', { timeout: MOST_MS }, () => {
  const output = run('bin/teredo', 'demo');
  expect(output).toContain('Everything worked.');
  expect(output).not.toContain('FAILED');
});

test.runIf(IS_ALL)(
  'all roles on the kernel path, and the rules of the programs',
  { timeout: MOST_MS },
  () => {
    const files = [
      'program-stack',
      'bpf-rules',
      'unwrapping',
      'clsact',
      'server-path',
      'data-paths',
      'bare-uplinks',
    ];
    expect(
      run(...VITEST, '--project', 'kernel', ...files.map((name) => `test/kernel/${name}.test.ts`)),
    ).toMatch(/\d+ passed, 0 failed, /);
  },
);

test.runIf(IS_ALL)('an attack on a client on the kernel path', { timeout: MOST_MS }, () => {
  expect(run(...VITEST, '--project', 'kernel path', 'test/attack/client-peers.test.ts')).toMatch(
    /\d+ passed, 0 failed, /,
  );
});

/** Runs a command on that kernel; returns its output. */
function run(...command: string[]): string {
  const { stdout, stderr, status } = spawnSync('node', ['scripts/other-kernel.mjs', ...command], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { ...process.env, TEREDO_TEST_ALL: '' }, // the full set of these tests would take hours there
  });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout).toMatch(/^kernel \d/);
  return stdout;
}
