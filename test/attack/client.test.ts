/** Attacks that make a client send, or store, more than it should. CL-51, CL-124 */
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { buildBubble, buildEchoRequest, writeOrigin } from '../../src/wire/index.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  VICTIM_ADDRESS,
  addHost,
  concatenate,
  send,
  spoof,
  v4,
  v6,
  within,
} from './attack-lab.ts';
import { AttackedClient } from './attacked-client.ts';

const { bubbleReplies, unsolicitedTests } = CLIENT_LIMITS;
const SOURCES = Array.from({ length: 5_000 }, (_, i) => v6(`2001:db8:66::${i.toString(16)}`));
const PING = { hopLimit: 60, identifier: 1, sequence: 1, data: new Uint8Array(8) };
/** The client's own traffic needs connectivity tests, too: one to the host that it pings, with its repetitions. */
const OWN_TESTS = 10;

test('bubbles of 5,000 native sources through its server: replies and tests stay within their limits', async () => {
  await using net = new Internet();
  const client = await AttackedClient.start(net, 'port-restricted');
  const { address } = client;
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(attacker);
  const attack = await send(attacker, {
    from: ATTACKER_ADDRESS,
    to: SERVER_ADDRESS,
    toPort: 3544,
    payloads: SOURCES.map((source) => buildBubble(source, address, 21)),
    count: 100_000,
    perSecond: 10_000,
  });
  const { counters } = await client.status();
  expect(counters.consumedBubbles).toBeGreaterThan(100); // the server's own limit has let these through
  expect(arrived.read().packets).toBeGreaterThan(0);
  expect(arrived.read().packets).toBeLessThanOrEqual(within(bubbleReplies, attack.seconds));
  expect(counters.sentConnectivityTests).toBeLessThanOrEqual(
    within(unsolicitedTests, attack.seconds) + OWN_TESTS,
  );
  await client.expectUnharmed();
});

test("the same in its server's name, with a victim as origin: the victim gets no more bubbles than the limit", async () => {
  await using net = new Internet();
  const client = await AttackedClient.start(net, 'full-cone');
  const { site, address } = client;
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
  const payloads = SOURCES.map((source, i) => {
    const origin = new Uint8Array(8);
    writeOrigin(origin, 0, v4(VICTIM_ADDRESS), 1024 + i);
    return concatenate(origin, buildBubble(source, address, 21));
  });
  const toPort = client.mappedPort;
  const order = { from: SERVER_ADDRESS, port: 3544, to: site.address, toPort, payloads };
  const attack = await spoof(attacker, { ...order, count: 150_000, perSecond: 30_000 });
  const { counters } = await client.status();
  expect(counters.consumedBubbles).toBeGreaterThan(10_000);
  expect(arrived.read().packets).toBeGreaterThan(0);
  expect(arrived.read().packets).toBeLessThanOrEqual(within(bubbleReplies, attack.seconds));
  expect(counters.sentConnectivityTests).toBeLessThanOrEqual(
    within(unsolicitedTests, attack.seconds) + OWN_TESTS,
  );
  await client.expectUnharmed();
});

test('pings of invented native sources directly to the mapped port, which the host answers: tested within the limit, few are stored', async () => {
  await using net = new Internet();
  const client = await AttackedClient.start(net, 'full-cone');
  const { site, address } = client;
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const attack = await send(attacker, {
    from: ATTACKER_ADDRESS,
    to: site.address,
    toPort: client.mappedPort,
    payloads: SOURCES.map((source) => buildEchoRequest({ ...PING, source, destination: address })),
    count: 50_000,
    perSecond: 10_000,
  });
  const { counters, peers } = await client.status();
  expect(counters.suppressedTests).toBeGreaterThan(1_000);
  expect(counters.sentConnectivityTests).toBeLessThanOrEqual(
    within(unsolicitedTests, attack.seconds) + OWN_TESTS,
  );
  expect(peers.unverified).toBeLessThanOrEqual(CLIENT_LIMITS.peers.unverified);
  await client.expectUnharmed();
  const { times, by } = await client.endedWith('unsolicited-tests');
  expect(by).toMatch(/^2001:db8:66::\/64/);
  expect(times).toBeGreaterThanOrEqual(counters['suppressedTests']!);
});
