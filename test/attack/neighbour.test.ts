/** What somebody on the client's own link can make it do. CL-113, CL-115 */
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { buildBubble } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import {
  ArrivalCounter,
  HonestPing,
  addHost,
  endedWith,
  memoryOf,
  send,
  spoof,
  teredo,
  v6,
} from './ground.ts';

const DISCOVERY = { to: '224.0.0.253', toPort: 3544 };
const NEIGHBOURS = Array.from({ length: 10_000 }, (_, i) => {
  const mapped = `8.8.${i >>> 8}.${i & 0xff}:4096`;
  return buildBubble(teredo(SERVER_ADDRESS, mapped), v6('ff02::1'), 1);
});

test('discovery bubbles of 10,000 invented neighbours: answers stay within the limit', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const attacker = net.lab.host('attacker');
  net.join(site, attacker, 66);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
  const arrived = new ArrivalCounter(attacker, `ip daddr ${site.network}.66 meta l4proto udp`);
  const before = memoryOf(client);
  const attack = await send(attacker, {
    ...DISCOVERY,
    from: `${site.network}.66`,
    payloads: NEIGHBOURS,
    count: 200_000,
    perSecond: 20_000,
  });
  const { burst, perSecond } = CLIENT_LIMITS.discoveryReplies;
  expect(arrived.read().packets).toBeGreaterThan(0);
  expect(arrived.read().packets).toBeLessThanOrEqual(burst + perSecond * (attack.seconds + 1));
  const { counters, peers } = (await statusOf(site.client, 'client'))!;
  expect(counters.droppedDiscoveryLimit).toBeGreaterThan(10_000);
  expect(counters.sentDiscoveryBubbles).toBeLessThan(10);
  expect(peers.unverified).toBeLessThanOrEqual(CLIENT_LIMITS.unverifiedPeers);
  expect(memoryOf(client) - before).toBeLessThan(100);
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
  expect(await endedWith(client, 'discovery-replies')).toMatchObject({
    by: `${site.network}.66`,
    times: counters.droppedDiscoveryLimit,
  });
});

test('discovery bubbles with a source outside of the link are not answered', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const attacker = net.lab.host('attacker');
  net.join(site, attacker, 66);
  const arrived = new ArrivalCounter(addHost(net, 'victim', '192.0.2.99'));
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  await spoof(attacker, { ...DISCOVERY, from: '192.0.2.99', port: 4096, payloads: NEIGHBOURS });
  expect(arrived.read().packets).toBe(0);
  const { counters } = (await statusOf(site.client, 'client'))!;
  expect(counters.acceptedDiscoveryBubbles).toBe(0);
  expect(counters.droppedInvalidDiscovery).toBeGreaterThan(1_000);
});
