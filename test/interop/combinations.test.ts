/**
 * Each of server, relay, client A and client B is this program's or miredo's: sixteen combinations, each behind two port-restricted kernel
 * NATs. In each, both clients qualify, all hosts reach each other, and TCP arrives whole.
 */
import { describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  SERVER_SECONDARY,
  ping,
  transfer,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { startMiredoClient, startMiredoRelay, startMiredoServer } from '../support/miredo.ts';
import { DATA_PATH, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

type Maker = 'ours' | 'miredo';

const MAKERS: readonly Maker[] = ['ours', 'miredo'];
const WORLDS = MAKERS.flatMap((server) =>
  MAKERS.flatMap((relay) => MAKERS.flatMap((a) => MAKERS.map((b) => ({ server, relay, a, b })))),
);
/**
 * A packet has two ends: four combinations have all pairs of implementations at all pairs of ends. The two data paths use them with
 * different servers. `TEREDO_TEST_ALL=1` runs all sixteen on each.
 */
const CHOSEN = WORLDS.filter(
  ({ server, relay, a, b }) =>
    IS_ALL ||
    (server === (DATA_PATH === 'user' ? 'miredo' : 'ours') &&
      [relay, a, b].filter((maker) => maker === 'ours').length % 2 === 1),
);
const BYTES = 20_000_000;

describe('interop with miredo', () => {
  test.for(CHOSEN)('server $server, relay $relay, client A $a, client B $b', async (world) => {
    await using net = new Internet();
    const siteA = net.site('a', 'port-restricted');
    const siteB = net.site('b', 'port-restricted');
    if (world.server === 'ours') await startServer(net.server, SERVER_ADDRESS);
    else startMiredoServer(net.server, SERVER_ADDRESS, SERVER_SECONDARY);
    if (world.relay === 'ours') await startRelay(net.relay, RELAY_ADDRESS);
    else startMiredoRelay(net.relay, RELAY_ADDRESS);
    await client(world.a, siteA.client);
    await client(world.b, siteB.client);
    const a = await teredoAddress(siteA.client);
    const b = await teredoAddress(siteB.client);

    expect(await ping(siteA.client, NATIVE_ADDRESS, 10_000), 'A to native').toBeDefined();
    expect(await ping(net.native, b, 10_000), 'native to B').toBeDefined();
    expect(await ping(net.native, a, 10_000), 'native to A').toBeDefined();
    expect(await ping(siteB.client, NATIVE_ADDRESS, 10_000), 'B to native').toBeDefined();
    expect(await ping(siteA.client, b, 10_000), 'A to B').toBeDefined();
    expect(await ping(siteB.client, a, 10_000), 'B to A').toBeDefined();

    expect(await transfer(siteA.client, net.native, NATIVE_ADDRESS, BYTES), 'A to native').toMatchObject({
      whole: true,
    });
    expect(await transfer(net.native, siteA.client, a, BYTES), 'native to A').toMatchObject({ whole: true });
    expect(await transfer(siteA.client, siteB.client, b, BYTES), 'A to B').toMatchObject({ whole: true });
    expect(await transfer(siteB.client, siteA.client, a, BYTES), 'B to A').toMatchObject({ whole: true });
  });
});

async function client(maker: Maker, host: Namespace): Promise<void> {
  if (maker === 'ours') await startClient(host, SERVER_ADDRESS);
  else startMiredoClient(host, SERVER_ADDRESS);
}
