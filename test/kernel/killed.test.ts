/**
 * All roles on the kernel path, killed and started again. On kernels before 6.6 their programs are filters at clsact, which outlive a
 * killed process.
 */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import {
  startClient,
  startHostRelay,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

const HOST_RELAY_ADDRESS = '192.0.2.50';
const KERNEL = ['--data-path', 'kernel'];

test('server, relay, client and host-relay start again after a kill, and leave at most one filter for each socket', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  net.attach(net.native, 'wan', HOST_RELAY_ADDRESS);
  const roles: [string, Namespace, () => Promise<Running>][] = [
    ['server', net.server, () => startServer(net.server, SERVER_ADDRESS, ...KERNEL)],
    ['relay', net.relay, () => startRelay(net.relay, RELAY_ADDRESS, ...KERNEL)],
    ['host-relay', net.native, () => startHostRelay(net.native, '--address', HOST_RELAY_ADDRESS, ...KERNEL)],
    ['client', client, () => startClient(client, SERVER_ADDRESS, ...KERNEL)],
  ];
  let running: Running[] = [];
  for (const round of ['first', 'after the first kill', 'after the second kill']) {
    for (const one of running) one.kill('SIGKILL');
    await Promise.all(running.map((one) => one.exited));
    running = [];
    for (const [, , start] of roles) running.push(await start());
    const address = await teredoAddress(client);
    expect(await ping(client, NATIVE_ADDRESS, 10_000), round).toBeDefined();
    expect(await ping(net.native, address, 10_000), round).toBeDefined();
    for (const [role, host] of roles) {
      expect((await statusOf(host, role))!['dataPath'], `${role}, ${round}`).toMatchObject({
        inUse: 'kernel',
      });
      expect(filters(host), `${role}, ${round}`).toBeLessThanOrEqual(1);
    }
  }
  for (const one of running) await one.stop();
  for (const [role, host] of roles) expect(filters(host), role).toBe(0);
});

/** The IPv4 side. */
function filters(host: Namespace): number {
  const links = [...host.ip('-o', 'link', 'show').matchAll(/^\d+: ([\w-]+)/gm)].map(([, name]) => name!);
  const shown = links.map((name) => host.execute('tc', 'filter', 'show', 'dev', name, 'ingress'));
  return [...shown.join('\n').matchAll(/ handle 0x/g)].length;
}
