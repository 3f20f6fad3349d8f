/** A client that a service manager restarts: its address, qualification and peers go to the next process, and its rules stay. */
import { describe, expect, test } from 'vitest';
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
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import { startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';
import { SteadyTraffic } from '../support/steady-traffic.ts';

const PATHS = ['kernel', 'user', 'workers'] as const;
type Path = (typeof PATHS)[number];

const PING_MS = 10;
/** The longest time of which a peer's packets may be lost. */
const MOST_LOST_MS: Readonly<Record<Path, number>> = { kernel: 0, user: 200, workers: 200 };
/** A process that is killed has to be back within this time. */
const BACK_MS = 2_000;

interface World {
  readonly net: Internet;
  readonly client: Namespace;
  readonly address: string;
  readonly role: ManagedRole;
}

/** A client that reaches the native host through a relay. */
async function open(net: Internet, path: Path, ...args: string[]): Promise<World> {
  const { client } = net.site('a', 'port-restricted');
  const options = ['--data-path', path === 'kernel' ? 'kernel' : 'user'];
  const workers = path === 'workers' ? ['--workers', '3'] : [];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...options);
  const own = ['--server', SERVER_ADDRESS, ...options, ...workers, ...args];
  const role = await ManagedRole.start(client, 'client', own);
  expect(role.output).toMatch(/STATUS=qualified: .*[^]*READY=1/);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  // A client that refuses inbound packets refuses the relay's questions, too.
  const prover = args.includes('refuse') ? undefined : net.relay;
  if (path === 'kernel') await proveKernelPath(client, NATIVE_ADDRESS, prover);
  return { net, client, address: await teredoAddress(client), role };
}

describe.runIf(IS_ALL).for(PATHS)('%s path', (path) => {
  test('hardly a ping to and from a native host and another client is lost', async () => {
    await using net = new Internet();
    const { client, address, role } = await open(net, path);
    const other = net.site('b', 'port-restricted').client;
    await startClient(other, SERVER_ADDRESS, '--data-path', path === 'kernel' ? 'kernel' : 'user');
    const otherAddress = await teredoAddress(other);
    expect(await ping(client, otherAddress, 10_000)).toBeDefined();
    if (path === 'kernel') await proveKernelPath(client, otherAddress);
    const pings = [
      ...(await SteadyTraffic.between('pings', [client, address], [net.native, NATIVE_ADDRESS])),
      ...(await SteadyTraffic.between('pings', [client, address], [other, otherAddress])),
    ];
    const since = Date.now();
    await role.restart();
    const back = Date.now();
    for (const one of pings) await one.flowsFrom(back);
    for (const { lost, longestPauseMs } of pings.map((one) => one.lossesSince(since))) {
      process.stdout.write(
        `${path} path: ${lost} pings lost, longest pause ${longestPauseMs.toFixed(0)} ms\n`,
      );
      expect(lost * PING_MS).toBeLessThanOrEqual(MOST_LOST_MS[path]);
    }
    expect(role.output).toContain('2 peers taken over from the last process');
    expect(role.output).not.toContain('clean start');
    expect(await teredoAddress(client)).toBe(address);
  });

  test('one that is killed is back, and a TCP connection survives', async () => {
    await using net = new Internet();
    const { client, address, role } = await open(net, path);
    let backMs = Infinity;
    const whole = transfer(net.native, client, address, 20_000_000, 60_000, async () => {
      await until('the state with the peer', () => role.hasRunFor(1_500)); // it is written once a second
      const sinceKilled = role.stopwatch();
      await role.kill();
      expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
      backMs = sinceKilled();
    });
    expect(await whole).toMatchObject({ whole: true });
    process.stdout.write(`${path} path: back ${backMs.toFixed(0)} ms after kill -9\n`);
    expect(backMs).toBeLessThan(BACK_MS);
    expect(await teredoAddress(client)).toBe(address);
  });

  test('with --inbound refuse no packet comes in uninvited, while there is no process either', async () => {
    await using net = new Internet();
    const { client, address, role } = await open(net, path, '--inbound', 'refuse');
    const uninvited = net.native.spawn('ping', ['-n', '-i', '0.01', address]);
    await role.restart();
    await role.kill();
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
    uninvited.kill('SIGINT');
    await uninvited.exited;
    expect(uninvited.output).toMatch(/[1-9]\d* packets transmitted, 0 received/);
    await role.stop();
    await until('the end of the rules', () => !client.execute('nft', 'list', 'tables').includes('teredo'));
  });
});
