/**
 * A client whose descriptors run out (RLIMIT_NOFILE) while its network changes: it continues, reports it once, and works fully afterwards.
 */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, execute, until } from '../../src/lab/index.ts';
import { ownStateDirectory } from '../support/port-mapping.ts';
import { startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';

ownStateDirectory();

test('the client survives, and follows the network once it has descriptors again', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  const limit = (soft: number) => execute('prlimit', ['--pid', String(client.pid), `--nofile=${soft}:`]);
  const failures = async () =>
    ((await statusOf(site.client, 'client'))?.['counters'] as Record<string, number> | undefined)?.[
      'systemFailures.EMFILE'
    ] ?? 0;

  limit(3); // descriptors that are open stay open
  for (let i = 0; i < 10; i++) {
    site.client.ip('addr', 'add', `10.1.0.${20 + i}/24`, 'dev', 'eth');
    site.client.ip('addr', 'del', `10.1.0.${20 + i}/24`, 'dev', 'eth');
    site.client.ip('-6', 'addr', 'flush', 'dev', 'teredo', 'scope', 'global');
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  expect(client.running).toBe(true);
  limit(1_024);

  expect(await until('its address', () => teredoAddress(site.client), 60_000)).toBe(address);
  expect(await until('the count', async () => (await failures()) || undefined)).toBeGreaterThan(0);
  const lines = client.output.split('\n').filter((line) => line.includes('EMFILE'));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length, client.output).toBeLessThan(8);
  expect(await client.stop()).toBe(0);
});
