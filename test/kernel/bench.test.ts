import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** No thresholds: the speed beside other tests means nothing. The test shows that every measurement works. */
test.runIf(IS_ALL)('a short form of the bench: each variant has its figures', () => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [json, svg] = [join(folder, 'results.json'), join(folder, 'results.svg')];
  const compiled = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'tsconfig.bench.json')]);
  expect(compiled.status).toBe(0);
  const args = ['--quick', '--only', 'rtt,server', '--links', 'veth', '--json', json, '--svg', svg];
  const main = join(ROOT, 'dist/bench/bench/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const { figures } = JSON.parse(readFileSync(json, 'utf8')) as {
    figures: Record<string, Record<string, number[]>>;
  };
  for (const seat of ['plain', 'miredo', 'user', 'kernel']) {
    expect(stdout).toContain(seat);
    expect(figures['veth: round trip at idle, ms']![seat]![0]).toBeGreaterThan(0);
    if (seat !== 'plain')
      expect(figures['server, solicitations answered of those asked']![seat]![0]).toBeGreaterThan(0);
  }
  expect(readFileSync(svg, 'utf8')).toMatch(/^<svg /);
});
