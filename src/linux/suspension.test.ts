import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { suspendedMs } from './suspension.ts';

test('does not change while the host runs', () => {
  const before = leastOfSome();
  const begun = performance.now();
  expect(before).toBeGreaterThan(-1);
  while (performance.now() - begun < 50) expect(Math.abs(leastOfSome() - before)).toBeLessThan(20);
});

/** Another program that takes the processor between the two clocks makes the difference greater, but not each time. */
function leastOfSome(): number {
  return Math.min(...Array.from({ length: 10 }, suspendedMs));
}

/** Simulates a suspension of 1,000 s: a time namespace shifts one of the clocks. */
test.skipIf(process.getuid?.() !== 0)('is how far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC', () => {
  const before = leastOfSome();
  const { stdout } = spawnSync(
    'unshare',
    ['--time', '--fork', '--boottime', '1000', process.execPath, '-e', PRINT],
    { encoding: 'utf8' },
  );
  expect(Number(stdout) - before).toBeGreaterThan(999_900);
  expect(Number(stdout) - before).toBeLessThan(1_000_100);
});

const MODULE = fileURLToPath(new URL('../../dist/linux/suspension.js', import.meta.url));
const PRINT = `import(${JSON.stringify(MODULE)}).then(({ suspendedMs }) => console.log(Math.min(...Array.from({ length: 10 }, suspendedMs))))`;
