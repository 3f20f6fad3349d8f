/** A host with native IPv6 behind an IPv4 NAT, with a relay of its own: the usual dual-stack home. H-7 */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, timeToFirstReply } from '../../src/lab/index.ts';
import type { Site } from '../../src/lab/index.ts';
import { startClient, startHostRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';

const NATIVE = '2001:db8:9::2';

/** Gives the site's host native IPv6; no other relay serves it. */
function giveNative(net: Internet, { client }: Site): void {
  net.lab.wire(net.relay, 'v6h', ['2001:db8:9::1/64'], client, 'v6', [`${NATIVE}/64`]);
  client.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:9::1');
}

test.for(everyNth(3, ['port-restricted', 'address-restricted', 'full-cone'] as const))(
  'without an option it reaches clients and is reached, each with the first round of bubbles: %s',
  async (behaviour) => {
    await using net = new Internet();
    const [home, away] = [net.site('home', behaviour), net.site('away', 'port-restricted')];
    giveNative(net, home);
    await startServer(net.server, SERVER_ADDRESS);
    await startHostRelay(home.client);
    await startClient(away.client, SERVER_ADDRESS);
    const address = await teredoAddress(away.client);
    expect(await timeToFirstReply(home.client, address)).toBeLessThan(1_000);
    expect(await timeToFirstReply(away.client, NATIVE)).toBeLessThan(1_000);
    expect((await statusOf(home.client, 'host-relay'))!.counters).toMatchObject({
      contactsFailed: 0,
      droppedNoAnswer: 0,
    });
  },
);

test('the client may send first: the first answer does not wait for a second round', async () => {
  await using net = new Internet();
  const [home, away] = [net.site('home', 'port-restricted'), net.site('away', 'port-restricted')];
  giveNative(net, home);
  await startServer(net.server, SERVER_ADDRESS);
  await startHostRelay(home.client);
  await startClient(away.client, SERVER_ADDRESS);
  await teredoAddress(away.client);
  expect(await timeToFirstReply(away.client, NATIVE)).toBeLessThan(1_000);
});

test.runIf(IS_ALL)(
  '--no-direct-bubbles: a relay behind a NAT that lets in only answers reaches no client',
  async () => {
    await using net = new Internet();
    const [home, away] = [net.site('home', 'port-restricted'), net.site('away', 'port-restricted')];
    giveNative(net, home);
    await startServer(net.server, SERVER_ADDRESS);
    await startHostRelay(home.client, '--no-direct-bubbles');
    await startClient(away.client, SERVER_ADDRESS);
    const address = await teredoAddress(away.client);
    expect(await timeToFirstReply(home.client, address, 4_000)).toBeUndefined();
  },
);
