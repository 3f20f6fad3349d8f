/** A client with several workers: each carries some of the peers in both directions, and all together are one client. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, ping, transfer, until } from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const COUNTS = IS_ALL ? [2, 3, 8] : [2];
const ON_THE_USER_PATH = ['--data-path', 'user'];
const NATS: readonly NatBehaviour[] = ['port-restricted', 'full-cone'];

interface Share {
  readonly receivedDatagrams: number;
  readonly receivedPackets: number;
}

async function sharesOf(host: Namespace): Promise<readonly Share[]> {
  return (await statusOf(host, 'client'))!['workers'] as readonly Share[];
}

test.for(COUNTS)('%d workers: clients reach each other, each by one worker', async (workers) => {
  await using net = new Internet();
  const { client } = net.site('c', 'port-restricted');
  const peers = NATS.map((behaviour, i) => net.site(`p${i}`, behaviour).client);
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(client, SERVER_ADDRESS, ...ON_THE_USER_PATH, '--workers', String(workers));
  for (const peer of peers) await startClient(peer, SERVER_ADDRESS, ...ON_THE_USER_PATH);
  const own = await teredoAddress(client);
  const addresses = await Promise.all(peers.map((peer) => teredoAddress(peer)));
  expect(await ping(client, addresses[0]!, 10_000)).toBeDefined();
  expect(await ping(peers[1]!, own, 10_000)).toBeDefined();
  const busiest = [];
  for (const address of addresses) {
    const before = await sharesOf(client);
    await client.spawn('ping', ['-n', '-q', '-i', '0.01', '-c', '100', address]).exited;
    const grown = (await sharesOf(client)).map((share, i) => ({
      packets: share.receivedPackets - before[i]!.receivedPackets,
      datagrams: share.receivedDatagrams - before[i]!.receivedDatagrams,
    }));
    const most = grown.findIndex(({ packets }) => packets >= 95);
    expect(grown[most]?.datagrams, JSON.stringify(grown)).toBeGreaterThanOrEqual(95);
    busiest.push(most);
  }
  expect(new Set(busiest).size).toBe(2);
  const whole = { whole: true };
  const [up, down] = await Promise.all([
    transfer(client, peers[0]!, addresses[0]!, 5_000_000),
    transfer(peers[1]!, client, own, 5_000_000),
  ]);
  expect([up, down]).toMatchObject([whole, whole]);
  await until('traffic', async () => {
    const { receivedBytes } = (await statusOf(client, 'client'))!['traffic'] as { receivedBytes: number };
    return receivedBytes > 5_000_000;
  });
});
