/** `teredo ping --until-direct`: reports step by step how a path to a peer is found. */
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { PROGRAM, peersOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';
import { IS_ALL } from '../support/extent.ts';

async function pingUntilDirect(
  host: Namespace,
  address: string,
  ...more: string[]
): Promise<{ readonly status: number; readonly steps: string; readonly output: string }> {
  const args = ['ping', '--until-direct', address, '--timeout', '12', ...more];
  const running = host.spawn(process.execPath, [PROGRAM, ...args]);
  return { status: await running.exited, steps: running.stdout, output: running.output };
}

/** A program that listens at a socket file; the file is removed at the end. */
async function listening(host: Namespace, path: string, script: string): Promise<AsyncDisposable> {
  const running = host.spawn(process.execPath, ['-e', script]);
  await running.waitFor(/is running/);
  return {
    async [Symbol.asyncDispose]() {
      await running.stop();
      rmSync(path, { force: true });
    },
  };
}

test('from the first bubbles to the right guess', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'symmetric-random')];
  await startServer(net.server, SERVER_ADDRESS);
  for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS);
  await teredoAddress(a.client);
  const { status, steps } = await pingUntilDirect(a.client, await teredoAddress(b.client));
  expect(steps).toMatch(
    /ms {2}round 1 of bubbles.*its NAT's ports are random, ours are stable.*both want to guess ports.*ms {2}reached directly, at/s,
  );
  expect(status).toBe(0);
});

test('a path through the relay is not a direct one: this is reported once both clients know that there is none', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'symmetric-random'), net.site('b', 'symmetric-random')];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--meet');
  for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS, '--meet', RELAY_ADDRESS);
  await teredoAddress(a.client);
  const address = await teredoAddress(b.client);
  const { status, steps, output } = await pingUntilDirect(a.client, address, '--timeout', '60');
  expect(steps).toMatch(
    new RegExp(`no number of guesses would do.*reached via your relay, ${RELAY_ADDRESS}:3545`, 's'),
  );
  expect(output).toMatch(/answers, but not by a direct way: its NAT's ports are random, ours are random/);
  expect(status).toBe(1);

  const json = await pingUntilDirect(a.client, address, '--timeout', '60', '--json');
  expect(JSON.parse(json.steps)).toMatchObject({ direct: false, means: 'met', teredo: true });
  expect(json.status).toBe(1);
});

test.runIf(IS_ALL)('a peer that cannot be reached is reported', async () => {
  await using net = new Internet();
  const a = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(a.client, SERVER_ADDRESS);
  await teredoAddress(a.client);
  const unreachable = '2001:0:cb00:7178:0:1234:39cc:9bf0';
  const { status, output } = await pingUntilDirect(a.client, unreachable, '--timeout', '3');
  expect(output).toMatch(/no answer from .* within 3 s \(nothing of it has come through the servers: is it/);
  expect(status).toBe(5);
});

test('without a relay, too, the failure is reported, with a remedy', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'symmetric-random'), net.site('b', 'symmetric-sequential')];
  await startServer(net.server, SERVER_ADDRESS);
  for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS);
  await teredoAddress(a.client);
  const address = await teredoAddress(b.client);
  const { status, steps, output } = await pingUntilDirect(a.client, address, '--timeout', '60');
  expect(steps).toMatch(/no number of guesses would do: there is no relay of yours/);
  expect(output).toMatch(/no direct way to .*: its NAT's ports are counting, ours are random.*--meet/);
  expect(status).toBe(1);
});

test('JSON has the steps, too, and the means by which the peer is reached; other daemons are not disturbed', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  await startServer(net.server, SERVER_ADDRESS);
  for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS);
  // Another daemon on this machine answers no question: it closes the connection, as a daemon does while it ends.
  const rude = controlPath(controlDirectory(), `${net.native.name}-rude`);
  const script = `require('net').createServer((one) => one.destroy()).listen(${JSON.stringify(rude)}, () => console.log('is running'))`;
  await using _ = await listening(net.native, rude, script);
  await teredoAddress(a.client);
  const { status, steps, output } = await pingUntilDirect(a.client, await teredoAddress(b.client), '--json');
  expect(output).not.toContain('rude');
  const said = JSON.parse(steps) as { steps: { afterMs: number; text: string }[] };
  expect(said).toMatchObject({ direct: true, means: 'direct', teredo: true });
  expect(said.steps.map(({ text }) => text).join('\n')).toMatch(/reached directly, at/);
  expect(said.steps[0]!.afterMs).toBeGreaterThanOrEqual(0);
  expect(status).toBe(0);
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

test.runIf(IS_ALL)(
  'to a native host the steps are the test and the relay; without a client there is an error',
  async () => {
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
  },
);
