/** What a client sends to an address in whose name an attacker poses as many Teredo peers. CL-47, CL-51 */
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import { INTRODUCTION_LIMITS } from '../../src/io/introductions.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { buildBubble } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  HonestPing,
  VICTIM_ADDRESS,
  addHost,
  ipv6,
  memoryOf,
  spoof,
  teredo,
  v6,
  within,
} from './ground.ts';

const PORTS = Array.from({ length: 20_000 }, (_, i) => 1_024 + i);

test("bubbles and data in a victim's name, of 20,000 peers: no more comes to it than the limits let through", async () => {
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
  const attack = await spoof(attacker, {
    from: VICTIM_ADDRESS,
    port: PORTS,
    to: site.address,
    toPort: Number(String(mapped).split(':')[1]),
    payloads: PORTS.map((port) => {
      const peer = teredo(SERVER_ADDRESS, `${VICTIM_ADDRESS}:${port}`);
      // UDP to a port where nobody listens, its checksum wrong: the local stack stays out of this.
      return port % 2 === 0 ? buildBubble(peer, address, 21) : ipv6(peer, address, 17, new Uint8Array(8));
    }),
    count: 100_000,
    perSecond: 20_000,
  });
  const { peers } = (await statusOf(site.client, 'client'))!;
  expect(peers.trusted).toBeGreaterThan(10_000); // each is what case 3 of the RFC takes for a peer
  expect(arrived.read().packets).toBeLessThanOrEqual(
    within(CLIENT_LIMITS.bubbleReplies, attack.seconds) + within(INTRODUCTION_LIMITS, attack.seconds),
  );
  expect(memoryOf(client) - before).toBeLessThan(100);
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
});
