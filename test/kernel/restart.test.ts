/** A role that a service manager restarts: its socket, interface and peers go to the next process, and nothing is lost. */
import { describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { Asker } from '../support/asker.ts';
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import { LightClients } from '../support/light-clients.ts';
import { DATA_PATH, startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';

const ARGUMENTS = ['--address', RELAY_ADDRESS];
/** A process that is killed has to be back within this time. */
const BACK_MS = 2_000;
/** The longest time from a new peer's first packet to the answer. */
const NEW_PEER_MS = 1_000;

const PATHS = ['kernel', 'user'] as const;

/** A client that reaches the native host through a relay; `next`: the arguments of the relay from its second start on. */
async function relayed(
  net: Internet,
  path: string = DATA_PATH,
  next?: readonly string[],
): Promise<{ relay: ManagedRole; client: Namespace }> {
  const { client } = net.site('a', 'port-restricted');
  const options = ['--data-path', path];
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await ManagedRole.start(net.relay, 'relay', [...ARGUMENTS, ...options], next);
  await startClient(client, SERVER_ADDRESS, ...options);
  await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  if (path === 'kernel') await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  return { relay, client };
}

test('no ping is lost through a relay that is restarted, in either direction', async () => {
  await using net = new Internet();
  const { relay, client } = await relayed(net);
  const count = IS_ALL ? '600' : '200';
  const pings = [
    client.spawn('ping', ['-n', '-i', '0.01', '-c', count, NATIVE_ADDRESS]),
    net.native.spawn('ping', ['-n', '-i', '0.01', '-c', count, await teredoAddress(client)]),
  ];
  const queue = queueOf(net);
  for (const one of pings) await one.waitFor(/icmp_seq=50 /);
  await relay.restart();
  for (const one of pings) {
    await one.exited;
    expect(one.output).toContain(` ${count} received`);
  }
  expect(queueOf(net), 'a changed queue loses packets').toBe(queue);
  expect(relay.output).toContain('1 peer taken over from the last process');
  await relay.stop();
  await until('the end of the interface', () => !net.relay.ip('link', 'show').includes('teredo:'), 5_000);
});

/** How many packets the relay's interface may hold. */
function queueOf(net: Internet): string {
  return /qlen (\d+)/.exec(net.relay.ip('link', 'show', 'teredo'))![1]!;
}

describe.runIf(IS_ALL).for(PATHS)('after kill -9, %s path', (path) => {
  test('a relay is back, with its interface and its peers', async () => {
    await using net = new Internet();
    const { relay, client } = await relayed(net, path);
    const interfaceOf = (): string => net.relay.ip('-o', 'link', 'show', 'teredo').split(':')[0]!;
    const before = interfaceOf();
    const pings = client.spawn('ping', ['-n', '-i', '0.01', '-c', '400', NATIVE_ADDRESS]);
    await pings.waitFor(/icmp_seq=200 /); // the relay writes its peers once a second
    const sinceKilled = relay.stopwatch();
    await relay.kill();
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
    await isOn(path, net.relay, 'relay');
    expectBack(`${path} path: relay`, sinceKilled());
    expect(interfaceOf()).toBe(before);
    await pings.exited;
    const received = Number(/ (\d+) received/.exec(pings.output)![1]);
    process.stdout.write(`${path} path: relay: ${received} of 400 pings answered\n`);
    // Without those that the killed process had read, but not sent.
    expect(received).toBeGreaterThan(400 - 5);
  });

  test('a server is back', async () => {
    await using net = new Internet();
    const server = await ManagedRole.start(net.server, 'server', [
      '--address',
      SERVER_ADDRESS,
      '--data-path',
      path,
    ]);
    const asker = new Asker(net.relay, RELAY_ADDRESS, SERVER_ADDRESS);
    expect(await asker.isAnswered()).toBe(true);
    const sinceKilled = server.stopwatch();
    await server.kill();
    expect(await asker.isAnswered()).toBe(true);
    await isOn(path, net.server, 'server');
    expectBack(`${path} path: server`, sinceKilled());
  });
});

async function isOn(path: string, host: Namespace, role: string): Promise<void> {
  await until(`the ${path} path`, async () => {
    const { inUse } = (await statusOf(host, role))!['dataPath'] as { inUse: string };
    return inUse === path;
  });
}

function expectBack(subject: string, backMs: number): void {
  process.stdout.write(`${subject}: back ${backMs.toFixed(0)} ms after kill -9\n`);
  expect(backMs).toBeLessThan(BACK_MS);
}

test.runIf(IS_ALL)(
  'descriptors that do not fit the new options are removed, and the start is clean',
  async () => {
    await using net = new Internet();
    const { relay, client } = await relayed(net, DATA_PATH, [...ARGUMENTS, '--interface', 'other']);
    await relay.restart();
    expect(relay.output).toMatch(
      /clean start: descriptors of the last process \(tun, state, ways, udp(, link-[a-z]+-\d+)*\)/,
    );
    expect(relay.output).not.toContain('taken over');
    expect(net.relay.ip('link', 'show')).not.toContain('teredo:');
    expect(await statusOf(net.relay, 'relay')).toMatchObject({ interface: 'other', peers: { trusted: 0 } });
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  },
);

test.runIf(IS_ALL).for(PATHS)(
  '%s path: a new peer waits at most 1 s while a relay is restarted',
  async (path) => {
    await using net = new Internet();
    const address = '198.51.100.200';
    const crowd = net.lab.host('crowd');
    net.attach(crowd, 'wan', address);
    await startServer(net.server, SERVER_ADDRESS);
    const relay = await ManagedRole.start(net.relay, 'relay', [...ARGUMENTS, '--data-path', path]);
    const [count, before] = [150, 30];
    const options = {
      count,
      address,
      server: SERVER_ADDRESS,
      native: NATIVE_ADDRESS,
      everyMs: 100,
      apartMs: 20,
      thinkMs: 150, // longer than everyMs: contacts are always under way
    };
    const clients = await LightClients.start(crowd, options, before);
    await relay.restart();
    await clients.answered(count);
    const { slowestFirstMs } = await clients.losses();
    process.stdout.write(`${path} path: a new peer has waited ${slowestFirstMs} ms at most\n`);
    expect(slowestFirstMs).toBeLessThan(NEW_PEER_MS);
  },
);
