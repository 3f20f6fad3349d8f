/** `teredo ping --until-direct`: how the way to a peer is found, told step by step. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { PROGRAM, peersOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

async function pingUntilDirect(
  host: Namespace,
  address: string,
  timeout = '12',
): Promise<{ readonly status: number; readonly steps: string; readonly output: string }> {
  const args = ['ping', '--until-direct', address, '--timeout', timeout];
  const running = host.spawn(process.execPath, [PROGRAM, ...args]);
  return { status: await running.exited, steps: running.stdout, output: running.output };
}

test('from the first bubbles to the guess that was right', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'symmetric-random')];
  await startServer(net.server, SERVER_ADDRESS);
  for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS);
  await teredoAddress(a.client);
  const { status, steps } = await pingUntilDirect(a.client, await teredoAddress(b.client));
  expect(steps).toMatch(
    /ms {2}round 1 of bubbles.*its NAT's ports are random, those of ours stable.*both want to guess ports.*ms {2}reached directly, at/s,
  );
  expect(status).toBe(0);
});

test('a way by the relay is not a direct one', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'symmetric-random'), net.site('b', 'symmetric-random')];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--meet');
  for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS, '--meet', RELAY_ADDRESS);
  await teredoAddress(a.client);
  const { status, steps, output } = await pingUntilDirect(a.client, await teredoAddress(b.client), '8');
  expect(steps).toMatch(new RegExp(`met at our relay, ${RELAY_ADDRESS}:3545`));
  expect(output).toMatch(/answers, but not by a direct way/);
  expect(status).toBe(1);
});

test('a native host behind the relay that is named with --meet is reached by its relay, and that is direct', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--meet');
  await startClient(client, SERVER_ADDRESS, '--meet', RELAY_ADDRESS);
  await teredoAddress(client);
  const { status, steps, output } = await pingUntilDirect(client, NATIVE_ADDRESS);
  expect(output).not.toContain('not by a direct way');
  expect(steps).toMatch(new RegExp(`its relay is at ${RELAY_ADDRESS}:3545`));
  expect(status).toBe(0);
  expect((await peersOf(client, 'client')).peers).toMatchObject([{ means: 'relay' }]);
});

test('to a native host it tells of the test and the relay; without a client it says so', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'full-cone');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(client, SERVER_ADDRESS);
  await teredoAddress(client);
  const { status, steps } = await pingUntilDirect(client, NATIVE_ADDRESS);
  expect(steps).toMatch(new RegExp(`its relay is at ${RELAY_ADDRESS}:3545`));
  expect(status).toBe(0);
  expect(await pingUntilDirect(net.native, NATIVE_ADDRESS)).toMatchObject({ status: 3, steps: '' });
});
