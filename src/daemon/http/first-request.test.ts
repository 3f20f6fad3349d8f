/** The first request loads the modules for HTTP: packets do not wait for all of them at once. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { IS_ALL } from '../../../test/support/extent.ts';
import { get } from '../../../test/support/http-rig.ts';

const DAEMON = fileURLToPath(new URL('../../../test/support/http-daemon.mjs', import.meta.url));
const PATHS = ['/livez', '/readyz', '/metrics', '/api/v1/status', '/api/v1/peers', '/api/v1/users', '/'];
const MOST_MS = 5;
const ROUNDS = 5;
/** In so many of the rounds a request may take longer, up to a limit: see tooLong() in blocks.ts. */
const [RARE, FAR_MS] = [1, 20];

/** The longest stops of a new daemon at the first request of each kind. */
async function stops(): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-first-'));
  const daemon = spawn(process.execPath, [DAEMON, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    daemon.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  const lines = createInterface({ input: daemon.stdout })[Symbol.asyncIterator]();
  const measure = async (): Promise<number> => {
    daemon.stdin.write('\n');
    return Number((await lines.next()).value);
  };
  expect((await lines.next()).value).toBe('ready');
  await measure();
  const found: number[] = [];
  for (const path of PATHS) {
    expect((await get(path, { socketPath: join(folder, 'it.sock') })).status).toBe(200);
    found.push(await measure());
  }
  return found;
}

test.runIf(IS_ALL)(
  `the first request of each kind stops the event loop for at most ${MOST_MS} ms`,
  async () => {
    const rounds: number[][] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await stops());
    const of = (i: number): number[] => rounds.map((found) => found[i]!).toSorted((a, b) => b - a);
    process.stdout.write(`${PATHS.map((path, i) => `${path} ${of(i).join(' ')} ms`).join(', ')}\n`);
    for (const [i, path] of PATHS.entries()) {
      expect(of(i)[RARE], path).toBeLessThan(MOST_MS);
      expect(of(i)[0], path).toBeLessThan(FAR_MS);
    }
  },
  120_000,
);
