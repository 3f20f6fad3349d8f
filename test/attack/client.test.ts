/** What a client can be made to send, and to keep. CL-51, CL-124 */
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { buildBubble, buildEchoRequest, writeOrigin } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  HonestPing,
  VICTIM_ADDRESS,
  addHost,
  concatenate,
  memoryOf,
  send,
  spoof,
  v4,
  v6,
  within,
} from './ground.ts';

const { bubbleReplies, unsolicitedTests } = CLIENT_LIMITS;
const SOURCES = Array.from({ length: 5_000 }, (_, i) => v6(`2001:db8:66::${i.toString(16)}`));
const PING = { hopLimit: 60, identifier: 1, sequence: 1, data: new Uint8Array(8) };
/** The client's own traffic has connectivity tests too: one to the host it pings, with its repetitions. */
const OWN_TESTS = 10;

test('bubbles of 5,000 native sources through its server: replies and tests stay within their limits', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(attacker);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const address = v6(await teredoAddress(site.client));
  const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
  const before = memoryOf(client);
  const attack = await send(attacker, {
    from: ATTACKER_ADDRESS,
    to: SERVER_ADDRESS,
    toPort: 3544,
    payloads: SOURCES.map((source) => buildBubble(source, address, 21)),
    count: 100_000,
    perSecond: 10_000,
  });
  const { counters } = (await statusOf(site.client, 'client'))!;
  expect(counters.consumedBubbles).toBeGreaterThan(100); // what the server's own limit has let through
  expect(arrived.read().packets).toBeGreaterThan(0);
  expect(arrived.read().packets).toBeLessThanOrEqual(within(bubbleReplies, attack.seconds));
  expect(counters.sentConnectivityTests).toBeLessThanOrEqual(
    within(unsolicitedTests, attack.seconds) + OWN_TESTS,
  );
  expect(memoryOf(client) - before).toBeLessThan(100);
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
});

test("the same in its server's name, with a victim as origin: the victim gets no more bubbles than the limit", async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const address = v6(await teredoAddress(site.client));
  const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
  const before = memoryOf(client);
  const { mapped } = (await statusOf(site.client, 'client'))!;
  const payloads = SOURCES.map((source, i) => {
    const origin = new Uint8Array(8);
    writeOrigin(origin, 0, v4(VICTIM_ADDRESS), 1024 + i);
    return concatenate(origin, buildBubble(source, address, 21));
  });
  const toPort = Number(String(mapped).split(':')[1]);
  const order = { from: SERVER_ADDRESS, port: 3544, to: site.address, toPort, payloads };
  const attack = await spoof(attacker, { ...order, count: 150_000, perSecond: 30_000 });
  const { counters } = (await statusOf(site.client, 'client'))!;
  expect(counters.consumedBubbles).toBeGreaterThan(10_000);
  expect(arrived.read().packets).toBeGreaterThan(0);
  expect(arrived.read().packets).toBeLessThanOrEqual(within(bubbleReplies, attack.seconds));
  expect(counters.sentConnectivityTests).toBeLessThanOrEqual(
    within(unsolicitedTests, attack.seconds) + OWN_TESTS,
  );
  expect(memoryOf(client) - before).toBeLessThan(100);
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
});

test('pings of invented native sources straight to the mapped port, which the host answers: tested within the limit, few are remembered', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const address = v6(await teredoAddress(site.client));
  const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
  const before = memoryOf(client);
  const { mapped } = (await statusOf(site.client, 'client'))!;
  const attack = await send(attacker, {
    from: ATTACKER_ADDRESS,
    to: site.address,
    toPort: Number(String(mapped).split(':')[1]),
    payloads: SOURCES.map((source) => buildEchoRequest({ ...PING, source, destination: address })),
    count: 50_000,
    perSecond: 10_000,
  });
  const { counters, peers } = (await statusOf(site.client, 'client'))!;
  expect(counters.suppressedTests).toBeGreaterThan(1_000);
  expect(counters.sentConnectivityTests).toBeLessThanOrEqual(
    within(unsolicitedTests, attack.seconds) + OWN_TESTS,
  );
  expect(peers.unverified).toBeLessThanOrEqual(CLIENT_LIMITS.unverifiedPeers);
  expect(memoryOf(client) - before).toBeLessThan(100);
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
});
