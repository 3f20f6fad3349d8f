/** `/readyz` and `teredo ready` say the same, and the truth, through the life of each role. */
import { get } from 'node:http';
import { expect, test } from 'vitest';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import type { DaemonReadiness, ReadyStatus } from '../../src/control/status.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { PROGRAM, nameOf, startClient, startRelay, startServer } from '../support/roles.ts';

interface Answer {
  readonly isGood: boolean;
  readonly daemon: DaemonReadiness;
}

/** By HTTP, through the control socket. */
function byHttp(name: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socketPath = controlPath(controlDirectory(), name);
    get({ socketPath, path: '/readyz' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        expect([200, 503]).toContain(response.statusCode);
        resolve({ isGood: response.statusCode === 200, daemon: JSON.parse(text) as DaemonReadiness });
      });
    }).on('error', reject);
  });
}

/** By `teredo ready --json`. */
async function byCommand(host: Namespace, name: string): Promise<Answer> {
  const running = host.spawn(process.execPath, [PROGRAM, 'ready', name, '--json']);
  const exitCode = await running.exited;
  expect([0, 1]).toContain(exitCode);
  const { ready, daemons } = JSON.parse(running.output) as ReadyStatus;
  expect(ready).toBe(exitCode === 0);
  return { isGood: exitCode === 0, daemon: daemons[0]! };
}

/** Waits until a role's words are these, then compares both ways. */
async function agreesOn(host: Namespace, role: string, isReady: boolean, words: RegExp): Promise<void> {
  const name = nameOf(host, role);
  await until(
    `${name}: ${words}`,
    async () => (words.test((await byHttp(name)).daemon.words) ? true : undefined),
    60_000,
  );
  const [http, command] = [await byHttp(name), await byCommand(host, name)];
  expect(http).toEqual(command);
  expect(http.isGood).toBe(isReady);
  expect(http.daemon.ready).toBe(isReady);
  expect(http.daemon.reason).toBe(isReady ? undefined : http.daemon.words);
}

test.skipIf(!IS_ALL)(
  'not yet qualified, qualified, server lost, kernel path withdrawn, relay draining',
  async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const auto = ['--data-path', 'auto'];
    await startClient(site.client, SERVER_ADDRESS, '--refresh', '5', ...auto);
    await agreesOn(site.client, 'client', false, /^(looking for a server|offline)/);

    const server = await startServer(net.server, SERVER_ADDRESS, ...auto);
    await agreesOn(site.client, 'client', true, /^qualified: 2001:0:/);
    await agreesOn(net.server, 'server', true, /^running at .* kernel path$/);

    net.server.nft('table ip some { chain in { type filter hook input priority 0; tcp dport 22 drop\n}\n}');
    await agreesOn(net.server, 'server', true, /^running at .* user path/);

    await startRelay(net.relay, RELAY_ADDRESS, ...auto);
    await ping(site.client, NATIVE_ADDRESS);
    await agreesOn(net.relay, 'relay', true, /^running at /);
    net.relay.execute(process.execPath, PROGRAM, 'drain', nameOf(net.relay, 'relay'));
    await agreesOn(net.relay, 'relay', false, /^draining at /);

    await server.stop();
    await agreesOn(site.client, 'client', false, /^(looking for a server|offline)/);
  },
);
