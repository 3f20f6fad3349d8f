import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { SERVER_RATE, udpRate } from '../../bench/result/names.ts';
import type { Report } from '../../bench/result/results.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const MAIN = join(ROOT, 'dist/bench/bench/main.js');

/** No thresholds: the speed beside other tests means nothing. The tests show that every measurement works. */
beforeAll(() => {
  if (!IS_ALL) return;
  const compiled = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'tsconfig.bench.json')]);
  expect(compiled.status).toBe(0);
});

test.runIf(IS_ALL)('a short form of the row `udp`: each variant has its rate', () => {
  const { figures, facts } = benchOnly('udp');
  for (const seat of ['plain', 'miredo', 'user', 'kernel'] as const) {
    const { values, generators } = figures[udpRate(100)]![seat]!;
    expect(Math.min(...values)).toBeGreaterThan(0);
    expect(generators).toBeGreaterThan(0);
  }
  expect(facts.links['nic']!['client-a eth']).toBe('GSO, GRO');
  expect(facts.links['nic']!['nat-a lan']).toBe('GSO');
});

test.runIf(IS_ALL)('a short form of the row `server`: each variant answers', () => {
  const { figures } = benchOnly('server');
  for (const seat of ['miredo', 'user', 'kernel'] as const)
    expect(Math.min(...figures[SERVER_RATE]![seat]!.values)).toBeGreaterThan(0);
});

/** What the bench writes to its file; its table has been printed. */
function benchOnly(row: string): Report {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const json = join(folder, 'results.json');
  const args = [MAIN, '--quick', '--beside-other-work', '--only', row, '--json', json];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  expect(stdout).toContain('kernel path');
  return JSON.parse(readFileSync(json, 'utf8')) as Report;
}
