/** The kernel path sends by the route's interface, from the socket's address. */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { attachedPrograms } from '../support/attached-programs.ts';
import { proveKernelPath } from '../support/carried.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 5_000_000;
/** The number of packets that most of this many bytes take. */
const MOST = 3_000;
const FAR_ADDRESS = '198.51.100.200';

test("a source that belongs to another interface: sent by the route's interface", async () => {
  await using net = new Internet();
  const client = net.site('a', 'port-restricted').client;
  // A host on the backbone that has its address on a second interface, which leads nowhere.
  const far = net.lab.host('far');
  net.lab.connect(far, 'wan', net.backbone);
  net.lab.connect(far, 'own', net.lab.switch('nowhere'), `${FAR_ADDRESS}/32`);
  for (const network of ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'])
    far.ip('route', 'add', network, 'dev', 'wan', 'src', FAR_ADDRESS);
  // An interface just switched on may not run yet, and its address then does not count.
  await until('the interface', () => /state UP/.test(far.ip('link', 'show', 'own')) || undefined, 5_000);
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel');
  await startClient(far, SERVER_ADDRESS, '--data-path', 'kernel');
  await carriesBothWays(far, client);
});

test('the programs are attached at the way to the Internet before there is a peer, and no uplink is shown', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const role = await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel');
  expect(attachedPrograms(client)).toMatch(/^eth\b.* decap\b/m);
  const { dataPath } = (await statusOf(client, 'client'))!;
  expect(dataPath).toMatchObject({ inUse: 'kernel' });
  expect(dataPath).not.toHaveProperty('uplinks');
  await role.stop();
  expect(attachedPrograms(client)).not.toContain('decap');
});

test('a client that is bound to a second address of its interface', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  const second = `${a.network}.3`;
  a.client.ip('addr', 'add', `${second}/24`, 'dev', 'eth');
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(a.client, SERVER_ADDRESS, '--data-path', 'kernel', '--bind', second);
  await startClient(b.client, SERVER_ADDRESS, '--data-path', 'kernel');
  await carriesBothWays(a.client, b.client);
});

test('a relay whose address is on lo', async () => {
  await using net = new Internet();
  const client = net.site('a', 'port-restricted').client;
  const address = '192.0.2.201';
  net.relay.ip('addr', 'add', `${address}/32`, 'dev', 'lo');
  for (const host of [net.server, ...net.lab.hosts.filter(({ name }) => name.endsWith('nat-a'))])
    host.ip('route', 'add', `${address}/32`, 'via', RELAY_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, address, '--data-path', 'kernel');
  await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel');
  await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  expect(await transfer(client, net.native, NATIVE_ADDRESS, BYTES, 20_000)).toMatchObject({ whole: true });
  const packets = await carried(net.relay, 'relay');
  expect(packets.in).toBeGreaterThan(MOST);
  expect(packets.out).toBeGreaterThan(0); // acknowledgements of many segments at once
});

async function carriesBothWays(a: Namespace, b: Namespace): Promise<void> {
  const [addressA, addressB] = [await teredoAddress(a), await teredoAddress(b)];
  expect(await ping(a, addressB, 10_000)).toBeDefined();
  await proveKernelPath(a, addressB);
  await proveKernelPath(b, addressA);
  expect(await transfer(a, b, addressB, BYTES, 20_000)).toMatchObject({ whole: true });
  expect(await transfer(b, a, addressA, BYTES, 20_000)).toMatchObject({ whole: true });
  const packets = await carried(a, 'client');
  expect(packets.out).toBeGreaterThan(MOST);
  expect(packets.in).toBeGreaterThan(MOST);
}

/** Packets that the kernel has carried out and in. */
async function carried(host: Namespace, role: string): Promise<{ out: number; in: number }> {
  const path = (await statusOf(host, role))?.['dataPath'] as { counters: Record<string, number> };
  return { out: path.counters['carriedOut']!, in: path.counters['carriedIn']! };
}
