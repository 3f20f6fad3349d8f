/** How often a client asks its server once its transfers are over, on both data paths. */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
} from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const IDLE_MS = 28_000;

test.runIf(IS_ALL).each(['user', 'kernel'] as const)(
  'path %s: at most three solicitations in the 28 s after a transfer',
  async (path) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const options = ['--data-path', path];
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS, ...options);
    await startClient(site.client, SERVER_ADDRESS, ...options);
    const address = await teredoAddress(site.client);
    expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
    await transfer(site.client, net.native, NATIVE_ADDRESS, 20_000_000);
    await transfer(net.native, site.client, address, 20_000_000);
    const sent = async (): Promise<number> =>
      (await statusOf(site.client, 'client'))!.counters['sentSolicitations']!;
    const before = await sent();
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS)); // the test measures this time
    const solicitations = (await sent()) - before;
    process.stdout.write(`${path}: ${solicitations} solicitations in 28 s\n`);
    expect(solicitations).toBeLessThanOrEqual(3);
  },
);
