/** Datagrams of a client to an address in whose name an attacker poses as many Teredo peers. CL-47, CL-51 */
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../../src/core/client/limits.ts';
import { PROOF_LIMITS } from '../../src/io/kernel-path/path-proofs.ts';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { buildBubble } from '../../src/wire/index.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  VICTIM_ADDRESS,
  addHost,
  ipv6,
  spoof,
  teredo,
  within,
} from './attack-lab.ts';
import { AttackedClient } from './attacked-client.ts';

const PORTS = Array.from({ length: 20_000 }, (_, i) => 1_024 + i);

test("bubbles and data in a victim's name, of 20,000 peers: it gets no more datagrams than the limits permit", async () => {
  await using net = new Internet();
  const client = await AttackedClient.start(net, 'full-cone');
  const { site, address } = client;
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
  const attack = await spoof(attacker, {
    from: VICTIM_ADDRESS,
    port: PORTS,
    to: site.address,
    toPort: client.mappedPort,
    payloads: PORTS.map((port) => {
      const peer = teredo(SERVER_ADDRESS, `${VICTIM_ADDRESS}:${port}`);
      // UDP to a port without a program, with a wrong checksum, so that the local stack does not answer.
      return port % 2 === 0 ? buildBubble(peer, address, 21) : ipv6(peer, address, 17, new Uint8Array(8));
    }),
    count: 100_000,
    perSecond: 20_000,
  });
  const { peers } = await client.status();
  expect(peers.trusted).toBeGreaterThan(10_000); // each is accepted as a peer by case 3 of the RFC
  expect(arrived.read().packets).toBeLessThanOrEqual(
    within(CLIENT_LIMITS.bubbleReplies, attack.seconds) + within(PROOF_LIMITS, attack.seconds),
  );
  await client.expectUnharmed();
});
