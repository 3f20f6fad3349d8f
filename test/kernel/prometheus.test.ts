/** Debian's Prometheus scrapes a client, a server and a relay; each alert fires in the situation that it is for. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DataPath } from '../../src/control/status.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { Asker } from '../support/asker.ts';
import { IS_ALL } from '../support/extent.ts';
import { Prometheus, dashboardQueries } from '../support/prometheus.ts';
import {
  PROGRAM,
  nameOf,
  startClient,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

const FILES = fileURLToPath(new URL('../../packaging/prometheus/', import.meta.url));
const TOKEN = '0123456789abcdef0123456789abcdef';
const ASKER_ADDRESS = '192.0.2.77';
/** So that ten questions a second are too many. */
const LIMIT = [
  'answers.shared.burst=5',
  'answers.shared.per-second=5',
  'answers.reserve.burst=0',
  'answers.reserve.per-second=0',
];

function tokenFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-token-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  writeFileSync(file, TOKEN, { mode: 0o600 });
  return file;
}

/** The output of promtool for text on its standard input. */
function promtool(args: readonly string[], input = ''): string {
  const { stdout, stderr, status } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return `${stdout}${stderr}status ${status}`;
}

/** The text of a scrape, by a program in the namespace. */
function scrape(host: Namespace, address: string): string {
  const script = `fetch('http://${address}:9464/metrics', { headers: { Authorization: 'Bearer ${TOKEN}' } }).then((r) => r.text()).then((t) => process.stdout.write(t))`;
  return host.execute(process.execPath, '-e', script);
}

describe.skipIf(!IS_ALL)('Prometheus', () => {
  test('accepts the files', () => {
    expect(promtool(['check', 'rules', `${FILES}teredo-rules.yml`])).toMatch(
      /SUCCESS: 6 rules found\s+status 0$/,
    );
    expect(promtool(['check', 'config', `${FILES}prometheus.yml`])).toMatch(/status 0$/);
  });

  test('scrapes all roles, and each alert fires', { timeout: 300_000 }, async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const asker = net.lab.host('asker');
    net.attach(asker, 'wan', ASKER_ADDRESS);
    const file = tokenFile();
    const listen = (address: string): string[] => ['--listen', `${address}:9464`, '--listen-token', file];
    const limits = LIMIT.flatMap((limit) => ['--limit', limit]);
    const auto = ['--data-path', 'auto'];
    const server = await startServer(
      net.server,
      SERVER_ADDRESS,
      ...listen(SERVER_ADDRESS),
      ...limits,
      ...auto,
    );
    const relay = await startRelay(net.relay, RELAY_ADDRESS, ...listen(RELAY_ADDRESS), ...auto);
    await startClient(site.client, SERVER_ADDRESS, '--listen', '9464', '--refresh', '5', ...auto);
    await teredoAddress(site.client);
    await ping(site.client, NATIVE_ADDRESS);
    await until('the kernel path of the server', async () => {
      const status = await statusOf(net.server, 'server');
      const { inUse } = status!['dataPath'] as DataPath;
      return inUse === 'kernel' ? true : undefined;
    });
    const hosts = ['127.0.0.1', SERVER_ADDRESS, RELAY_ADDRESS];
    const scrapes = hosts.map((host) => scrape(site.client, host));
    for (const text of scrapes) expect(promtool(['check', 'metrics'], text)).toBe('status 0');

    using prometheus = new Prometheus(
      site.client,
      hosts.map((host) => `${host}:9464`),
      file,
    );
    await prometheus.waitFor('sum(up{job="teredo"})', /=> 3 /);
    for (const query of dashboardQueries()) {
      prometheus.query(query); // throws where it is no query
      for (const metric of query.match(/\b(?:teredo|process)_[a-z_]+\b/g)!)
        expect(scrapes.join('\n'), query).toMatch(new RegExp(`^# TYPE ${metric} `, 'm'));
    }
    const firing = (alert: string, role: string): Promise<string> =>
      prometheus.waitFor(`ALERTS{alertname="${alert}",alertstate="firing"}`, new RegExp(role));
    expect(prometheus.query('ALERTS{alertstate="firing"}').trim()).toBe('');

    process.kill(relay.pid, 'SIGSTOP');
    await prometheus.waitFor('ALERTS{alertname="TeredoDown"}', new RegExp(RELAY_ADDRESS));
    process.kill(relay.pid, 'SIGCONT');
    await firing('TeredoEventLoopBlocked', 'role="relay"');

    net.server.nft('table ip some { chain in { type filter hook input priority 0; tcp dport 22 drop\n}\n}');
    await firing('TeredoKernelPathWithdrawn', 'role="server"');

    const flood = new Asker(asker, ASKER_ADDRESS, SERVER_ADDRESS);
    expect(await flood.isAnswered()).toBe(true);
    await firing('TeredoLimitReached', 'limit="answers"');

    net.relay.execute(process.execPath, PROGRAM, 'drain', nameOf(net.relay, 'relay'));
    await firing('TeredoNotReady', 'role="relay"');

    await server.stop();
    await firing('TeredoServerLost', 'daemon=".*client"');
    await firing('TeredoDown', SERVER_ADDRESS);
  });
});
