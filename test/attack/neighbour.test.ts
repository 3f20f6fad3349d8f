/** Attacks on a client from its own link. CL-113, CL-115 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  timeToFirstReply,
} from '../../src/lab/index.ts';
import { buildBubble, toHex } from '../../src/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
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
} from './attack-lab.ts';
import { cutRuns } from '../support/links.ts';

const POSER = fileURLToPath(new URL('attacker/poser.mjs', import.meta.url));
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
  cutRuns(site.client);
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
    count: IS_ALL ? 200_000 : 80_000,
    perSecond: 20_000,
  });
  const { burst, perSecond } = CLIENT_LIMITS.discoveryReplies;
  expect(arrived.read().packets).toBeGreaterThan(0);
  expect(arrived.read().packets).toBeLessThanOrEqual(burst + perSecond * (attack.seconds + 1));
  const { counters, peers } = (await statusOf(site.client, 'client'))!;
  expect(counters.droppedDiscoveryLimit).toBeGreaterThan(10_000);
  expect(counters.sentDiscoveryBubbles).toBeLessThan(10);
  expect(peers.unverified).toBeLessThanOrEqual(CLIENT_LIMITS.peers.unverified);
  expect(memoryOf(client) - before).toBeLessThan(100);
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
  expect(await endedWith(client, 'discovery-replies')).toMatchObject({
    by: `${site.network}.66`,
    times: counters.droppedDiscoveryLimit,
  });
});

test('discovery bubbles with a source outside the link are not answered', async () => {
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

const POSERS = [
  ['on the same link, met before', { isFar: false, hasMet: true }],
  ['on the same link', { isFar: false, hasMet: false }],
  ['on another link', { isFar: true, hasMet: false }],
] as const;

test.each(everyNth(3, POSERS))(
  'a neighbour that poses as a client behind the same NAT, %s, gets none of the packets for it',
  async (_, { isFar, hasMet }) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { hairpin: isFar });
    const attacker = net.lab.host('attacker');
    const peer = isFar ? net.nest(site, 'b', 'port-restricted').client : net.neighbour(site);
    net.join(site, attacker, 66);
    await startServer(net.server, SERVER_ADDRESS);
    await startClient(site.client, SERVER_ADDRESS);
    await startClient(peer, SERVER_ADDRESS);
    const [mine, its] = [v6(await teredoAddress(site.client)), await teredoAddress(peer)];
    if (hasMet) expect(await timeToFirstReply(site.client, its, 10_000)).toBeLessThan(10_000);
    const discovery = toHex(buildBubble(v6(its), v6('ff02::1'), 1));
    const answer = toHex(buildBubble(v6(its), mine, 21));
    const poser = attacker.spawn(process.execPath, [POSER, `${site.network}.66`, discovery, answer]);
    await poser.waitFor(/ready/);
    await eventually(async () => {
      const { counters } = (await statusOf(site.client, 'client'))!;
      expect(counters.acceptedDiscoveryBubbles).toBeGreaterThan(1);
    });
    expect(await timeToFirstReply(site.client, its, 10_000)).toBeLessThan(2_500);
    const ping = await HonestPing.start(site.client, its);
    await eventually(async () => {
      const { counters } = (await statusOf(site.client, 'client'))!;
      expect(counters.acceptedDiscoveryBubbles).toBeGreaterThan(6);
    });
    const { answered } = await ping.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(poser.output).not.toContain('stolen');
    await poser.stop();
  },
);

test('a new neighbour is answered while another one sends discovery bubbles under ever new names', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const [attacker, honest] = [net.lab.host('attacker'), net.lab.host('honest')];
  net.join(site, attacker, 66);
  net.join(site, honest, 67);
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  const attack = send(attacker, {
    ...DISCOVERY,
    from: `${site.network}.66`,
    payloads: NEIGHBOURS,
    count: 20_000,
    perSecond: 2_000,
  });
  await eventually(async () => {
    const { counters } = (await statusOf(site.client, 'client'))!;
    expect(counters.droppedDiscoveryLimit).toBeGreaterThan(2_000);
  });
  const mapped = `${site.address}:9999`;
  const payloads = [buildBubble(teredo(SERVER_ADDRESS, mapped), v6('ff02::1'), 1)];
  const { heard } = await send(honest, { ...DISCOVERY, from: `${site.network}.67`, payloads, wanted: 1 });
  expect(heard).toBe(1);
  await attack;
});
