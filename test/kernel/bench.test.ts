import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SERVER_RATE, udpRate } from '../../bench/result/names.ts';
import type { Report } from '../../bench/result/results.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** No thresholds: the speed beside other tests means nothing. The test shows that every measurement works. */
test.runIf(IS_ALL)('a short form of the bench: each variant has its figures', () => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const json = join(folder, 'results.json');
  const compiled = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'tsconfig.bench.json')]);
  expect(compiled.status).toBe(0);
  const args = ['--quick', '--beside-other-work', '--only', 'udp,server', '--json', json];
  const main = join(ROOT, 'dist/bench/bench/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const { figures, facts } = JSON.parse(readFileSync(json, 'utf8')) as Report;
  for (const seat of ['plain', 'miredo', 'user', 'kernel'] as const) {
    const { values, generators } = figures[udpRate(100)]![seat]!;
    expect(Math.min(...values)).toBeGreaterThan(0);
    expect(generators).toBeGreaterThan(0);
    if (seat !== 'plain') expect(figures[SERVER_RATE]![seat]!.values[0]).toBeGreaterThan(0);
  }
  expect(stdout).toContain('kernel path');
  expect(facts.links['nic']!['client-a eth']).toBe('GSO, GRO');
  expect(facts.links['nic']!['nat-a lan']).toBe('GSO');
});
