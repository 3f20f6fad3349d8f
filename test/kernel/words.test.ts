/** Messages of a client when its interface or address changes. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import { ownStateDirectory } from '../support/port-mapping.ts';
import { startClient, startServer, teredoAddress, teredoAddressNow } from '../support/roles.ts';

ownStateDirectory();

test('an interface that is renamed, and then gets its old name back', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  const rename = (from: string, to: string) => {
    for (const change of [['down'], ['name', to]]) site.client.ip('link', 'set', from, ...change);
    site.client.ip('link', 'set', to, 'up');
  };
  rename('teredo', 'other');
  await client.waitFor(/there is no interface "teredo" any more: if it was renamed, give it this name again/);
  rename('other', 'teredo');
  expect(await teredoAddress(site.client, 60_000)).toBe(address);
  expect(await client.stop()).toBe(0);
});

test('an address that changes, because the NAT has another mapping', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS, '--refresh', '15');
  const before = await teredoAddress(site.client);
  await client.waitFor(/qualified: /);
  site.nat.nft(`
    table ip moved {
      chain post {
        type nat hook postrouting priority 90; policy accept;
        ip saddr ${site.network}.2 udp dport 3544 masquerade to :61000-61010
      }
    }`);
  site.nat.execute('conntrack', '-F');
  const now = await until(
    'another address',
    () => {
      const found = teredoAddressNow(site.client);
      return found === before ? undefined : found;
    },
    60_000,
  );
  await client.waitFor(new RegExp(`the address has changed: ${now} \\(it was ${before}\\)`));
  expect(await client.stop()).toBe(0);
});
