/**
 * Who carries the packets is each side's own choice: whatever the other does, TCP arrives whole. On virtual links, as here,
 * nothing cuts a super-packet on its way, and only a peer whose kernel unwraps them may be sent one.
 */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { startMiredoClient } from '../support/miredo.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 20_000_000;
/** Packets: most of those that this many bytes take. */
const MOST = 12_000;

test.each(['kernel', 'user', 'miredo'])('a client in the kernel path, its peer: %s', async (kind) => {
  await using net = new Internet();
  const a = net.site('a', 'port-restricted').client;
  const b = net.site('b', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(a, SERVER_ADDRESS, '--data-path', 'kernel');
  if (kind === 'miredo') startMiredoClient(b, SERVER_ADDRESS);
  else await startClient(b, SERVER_ADDRESS, '--data-path', kind);
  const [addressA, addressB] = [await teredoAddress(a), await teredoAddress(b)];
  expect(await ping(a, addressB, 10_000)).toBeDefined();
  expect(await transfer(a, b, addressB, BYTES, 20_000)).toMatchObject({ whole: true });
  expect(await transfer(b, a, addressA, BYTES, 20_000)).toMatchObject({ whole: true });
  const packets = await carried(a, 'client');
  // What a process sends it sends in runs, and those are left to the process here.
  if (kind !== 'user') expect(packets.in).toBeGreaterThan(MOST);
  if (kind === 'kernel') expect(packets.out).toBeGreaterThan(MOST);
});

test.each([
  ['kernel', 'user'],
  ['user', 'kernel'],
  ['kernel', 'kernel'],
])('client: %s, relay: %s', async (client, relay) => {
  await using net = new Internet();
  const a = net.site('a', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--data-path', relay);
  await startClient(a, SERVER_ADDRESS, '--data-path', client);
  const address = await teredoAddress(a);
  expect(await ping(a, NATIVE_ADDRESS, 10_000)).toBeDefined();
  expect(await transfer(a, net.native, NATIVE_ADDRESS, BYTES, 20_000)).toMatchObject({ whole: true });
  expect(await transfer(net.native, a, address, BYTES, 20_000)).toMatchObject({ whole: true });
  if (client !== relay) return;
  for (const packets of [await carried(a, 'client'), await carried(net.relay, 'relay')]) {
    expect(packets.in).toBeGreaterThan(MOST);
    expect(packets.out).toBeGreaterThan(MOST);
  }
});

/** Packets that the kernel has carried out and in. */
async function carried(host: Namespace, role: string): Promise<{ out: number; in: number }> {
  const path = (await statusOf(host, role))?.['dataPath'] as { counters: Record<string, number> };
  return { out: path.counters['carriedOut']!, in: path.counters['carriedIn']! };
}
