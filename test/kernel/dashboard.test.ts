/** The dashboard in Chromium, with real daemons: it shows what they report, as that changes. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping } from '../../src/lab/index.ts';
import { Watcher, startDashboard } from '../support/dashboard.ts';
import { eventually } from '../support/eventually.ts';
import { IS_ALL } from '../support/extent.ts';
import { nameOf, startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

test.runIf(IS_ALL)('qualification, a relay in use, the loss of the server, and another network', async () => {
  await using internet = new Internet();
  const [home, cafe] = [internet.site('home', 'port-restricted'), internet.site('cafe', 'full-cone')];
  const { client } = home;
  const server = await startServer(internet.server, SERVER_ADDRESS);
  await startRelay(internet.relay, RELAY_ADDRESS);
  await startClient(client, SERVER_ADDRESS);
  await teredoAddress(client);

  await using dashboard = await startDashboard([nameOf(client, 'client')]);
  await using watcher = await Watcher.open(dashboard.url);
  const { page } = watcher;
  await watcher.headline(/Teredo works/);
  const before = await statusOf(client, 'client');
  await page.locator('dd', { hasText: before!['address'] as string }).waitFor();
  expect(await watcher.path()).toMatchObject({ host: 'good', nat: 'good', server: 'good', relay: 'unused' });

  await ping(client, NATIVE_ADDRESS);
  await page.locator('tbody tr', { hasText: NATIVE_ADDRESS }).filter({ hasText: 'relay' }).waitFor();
  await eventually(async () =>
    expect(await watcher.path()).toMatchObject({ relay: 'good', internet: 'good' }),
  );

  await server.stop();
  await watcher.headline(/Teredo does not work/, 120_000);
  expect(await page.locator('.reason').textContent()).toMatch(/^Why: no server answers over UDP/);
  expect(await page.locator('.advice').textContent()).toMatch(/teredo netcheck/);
  expect(await watcher.path()).toMatchObject({ server: 'broken', relay: 'unused' });

  await page.locator('#log-lines [data-event=offline]').first().waitFor();

  await startServer(internet.server, SERVER_ADDRESS);
  await watcher.headline(/Teredo works/, 60_000);

  client.ip('link', 'set', 'eth', 'down');
  internet.join(cafe, client, 77, 'wlan');
  const moved = page.locator('dd', { hasText: `mapped to ${cafe.address}:` });
  await moved.waitFor({ timeout: 60_000 });
  await watcher.headline(/Teredo works/);
  const after = await statusOf(client, 'client');
  expect(after!['address']).not.toBe(before!['address']);
  await page.locator('dd', { hasText: after!['address'] as string }).waitFor();
  expect([watcher.faults, [...watcher.requested]]).toEqual([[], [new URL(dashboard.url).origin]]);
});
