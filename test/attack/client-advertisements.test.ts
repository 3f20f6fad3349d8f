/** Advertisements that a client must reject: each has the right nonce and differs from a good one in one respect. */
import { expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  SERVER_SECONDARY,
  until,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { buildRouterAdvertisement, makeLinkLocal, writeOrigin } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { ATTACKER_ADDRESS, HonestPing, addHost, concatenate, send, spoof, v4, v6 } from './attack-lab.ts';

const PROGRAM = fileURLToPath(new URL('attacker/false-server.mjs', import.meta.url));
const OTHER_ADDRESS = '203.0.113.122';

async function startFalseServer(net: Internet, defect: string): Promise<void> {
  net.server.ip('addr', 'add', `${OTHER_ADDRESS}/24`, 'dev', 'wan');
  const running = net.server.spawn(process.execPath, [
    PROGRAM,
    defect,
    SERVER_ADDRESS,
    SERVER_SECONDARY,
    OTHER_ADDRESS,
  ]);
  await running.waitFor(/ready/);
}

/** Advertisements that the client has rejected. */
async function refused(host: Namespace): Promise<number> {
  const { counters } = (await statusOf(host, 'client'))!;
  return counters.droppedInvalidAdvertisement + counters.droppedUnsolicitedAdvertisement;
}

test('the false server of these tests is accepted if its advertisement has no defect', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  await startFalseServer(net, 'none');
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
});

test.concurrent.for(['another address', 'a bad checksum', 'hop limit 1', 'a global source', 'a wrong code'])(
  'an advertisement with %s is ignored',
  async (defect) => {
    await using net = new Internet();
    const site = net.site('a', 'full-cone');
    await startFalseServer(net, defect);
    const client = await startClient(site.client, SERVER_ADDRESS);
    await until('two refusals', async () => ((await refused(site.client)) >= 2 ? true : undefined));
    const status = await statusOf(site.client, 'client');
    expect(status).not.toHaveProperty('address');
    expect(status).toMatchObject({ counters: { acceptedAdvertisements: 0 } });
    expect(client.output).not.toMatch(/qualified: /);
  },
);

test('advertisements in the name of the server, without its nonce, change nothing', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  const { mapped } = (await statusOf(site.client, 'client'))!;
  const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
  const origin = new Uint8Array(8);
  writeOrigin(origin, 0, v4(ATTACKER_ADDRESS), 3544);
  const advertisement = buildRouterAdvertisement({
    source: makeLinkLocal({ flags: 0x8000, mappedPort: 3544, mappedAddress: v4(SERVER_ADDRESS) }),
    destination: v6('fe80::ffff:ffff:fffe'),
    prefixServer: v4(SERVER_ADDRESS),
    mtu: 1280,
  });
  const toPort = Number(String(mapped).split(':')[1]);
  const forged = { to: site.address, toPort, payloads: [concatenate(origin, advertisement)], count: 20_000 };
  await spoof(attacker, { ...forged, from: SERVER_ADDRESS, port: 3544 });
  await send(attacker, { ...forged, from: ATTACKER_ADDRESS, port: 3544 });
  expect(await refused(site.client)).toBeGreaterThan(10_000);
  expect(await teredoAddress(site.client)).toBe(address);
  expect(await statusOf(site.client, 'client')).toMatchObject({ state: 'qualified', address });
  const { answered, slowestMs } = await ping.stop();
  expect(answered).toBeGreaterThan(0.9);
  expect(slowestMs).toBeLessThan(1_000);
});
