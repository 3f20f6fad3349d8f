/** `teredo dashboard`, as a server of HTTP: which requests get an answer. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { networkNamespace } from '../../src/control/network-namespace.ts';
import type { RelayStatus } from '../../src/control/status.ts';
import { until } from '../../src/lab/index.ts';
import { startDashboard } from '../support/dashboard.ts';
import { StandInDaemon } from '../support/stand-in-daemon.ts';

const STATUS = {
  version: 1,
  role: 'relay',
  state: 'running',
  address: '192.0.2.1',
  port: 3545,
  dataPath: { inUse: 'user' },
  networkNamespace: networkNamespace(),
} as unknown as RelayStatus;

async function relays(...names: readonly string[]): Promise<{ folder: string; daemons: StandInDaemon[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-dashboard-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const daemons = await Promise.all(names.map((name) => StandInDaemon.start(folder, { ...STATUS, name })));
  onTestFinished(() => daemons.forEach((daemon) => daemon.end()));
  return { folder, daemons };
}

test('the page and its policy are open to all, the answers of daemons only to requests with the token', async () => {
  const { folder, daemons } = await relays('one', 'two');
  await using dashboard = await startDashboard(['two'], folder);
  const { origin, hash } = new URL(dashboard.url);
  const headers = { Authorization: `Bearer ${hash.replace('#token=', '')}` };
  const ask = async (path: string, more: RequestInit = { headers }): Promise<[number, string]> => {
    const response = await fetch(origin + path, more);
    return [response.status, await response.text()];
  };

  const page = await fetch(`${origin}/`);
  expect(page.headers.get('Content-Security-Policy')).toMatch(
    /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'; .*frame-ancestors 'none'$/,
  );
  expect(await page.text()).not.toMatch(/(?:src|href)="(?!data:,|#)/);

  expect(await ask('/api/v1/status')).toEqual([200, expect.stringContaining('"name":"two"') as string]);
  expect(await ask('/api/v1/daemons/one/status')).toEqual([
    200,
    expect.stringContaining('"name":"one"') as string,
  ]);
  const [, list] = await ask('/api/v1/daemons');
  expect(JSON.parse(list)).toMatchObject({ daemons: [{ name: 'one', ready: true }, { name: 'two' }] });

  for (const path of [
    '/api/v1/status',
    '/api/v1/peers',
    '/api/v1/daemons',
    '/events',
    '/api/v1/daemons/one/events',
  ]) {
    expect((await ask(path, {}))[0]).toBe(401);
    expect((await ask(path, { headers: { Authorization: 'Bearer 00' } }))[0]).toBe(401);
    expect((await ask(path, { headers: { ...headers, Origin: 'http://other.example' } }))[0]).toBe(403);
  }
  expect((await ask('/api/v1/status', { method: 'POST', headers }))[0]).toBe(405);
  for (const path of ['/api/v1/daemons/one/drain', '/api/v1/daemons/%ff/status', '/../etc/passwd'])
    expect((await ask(path))[0]).toBe(404);

  daemons[0]!.end();
  expect(await ask('/api/v1/daemons/one/status')).toEqual([502, expect.stringContaining('one') as string]);
  dashboard.running.child.kill('SIGINT');
  expect(await dashboard.running.exited).toBe(0);
});

test('a browser is started with a file that only this user can read, and not with the token', async () => {
  const { folder } = await relays('one');
  const [runtime, seen] = [join(folder, 'runtime'), join(folder, 'seen')];
  mkdirSync(runtime);
  writeFileSync(
    join(folder, 'xdg-open'),
    `#!/bin/sh\nstat -c %a "$1" "$(dirname "$1")" > ${seen}.new; echo "$1" >> ${seen}.new; cat "$1" >> ${seen}.new; mv ${seen}.new ${seen}\n`,
    { mode: 0o755 },
  );
  await using dashboard = await startDashboard([], folder, {
    PATH: `${folder}:${process.env['PATH']}`,
    DISPLAY: ':1',
    XDG_RUNTIME_DIR: runtime,
  });
  await until('the browser is started', () => existsSync(seen) || undefined);
  const [fileMode, folderMode, path, ...page] = readFileSync(seen, 'utf8').split('\n');
  expect([fileMode, folderMode, dirname(dirname(path!))]).toEqual(['600', '700', runtime]);
  expect(page.join('\n')).toContain(`url=${dashboard.url}"`);
  const { origin } = new URL(dashboard.url);
  // Browsers say so of a page that a file leads to.
  const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' };
  expect((await fetch(`${origin}/`, { headers })).status).toBe(200);
  expect((await fetch(`${origin}/api/v1/status`, { headers })).status).toBe(403);
  dashboard.running.child.kill('SIGINT');
  await dashboard.running.exited;
  expect(readdirSync(runtime)).toEqual([]);
});

test('without a daemon there is no page: exit status 3', async () => {
  const { folder } = await relays();
  const failed = await startDashboard(['nobody'], folder).then(
    () => 'started',
    (error: unknown) => (error as Error).message,
  );
  expect(failed).toMatch(/no teredo daemon named "nobody" is running/);
});
