/** An address that is denied, by `--deny` or by a list that changes at run time, gets nothing from a server or relay, on either data path. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { ATTACKER_ADDRESS, HonestPing, addHost, send } from '../attack/attack-lab.ts';
import {
  PROGRAM,
  nameOf,
  startClient,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
  teredoAddressNow,
} from '../support/roles.ts';
import { solicitation } from '../support/server-rig.ts';
import { everyNth } from '../support/extent.ts';

const CHANGING = fileURLToPath(new URL('../support/changing-access.mjs', import.meta.url));

describe.each(everyNth(2, ['kernel', 'user']))('data path %s', (path) => {
  test('a client that the server denies never qualifies, another one does; the counters and the status say so', async () => {
    await using net = new Internet();
    const a = net.site('a', 'port-restricted');
    const b = net.site('b', 'port-restricted');
    const server = await startServer(net.server, SERVER_ADDRESS, '--data-path', path, '--deny', a.address);
    const inWords = `${a.address}/32 denied; all other addresses are served`;
    expect(server.output).toContain(` access list: ${inWords}\n`);
    await startClient(a.client, SERVER_ADDRESS);
    await startClient(b.client, SERVER_ADDRESS);
    await teredoAddress(b.client);
    await until('three refusals', async () => {
      const { counters } = (await statusOf(net.server, 'server'))!;
      return counters['droppedDenied']! >= 3;
    });
    await until(
      'the end of the qualification',
      async () => (await statusOf(a.client, 'client'))!['state'] === 'offline',
    );
    const status = (await statusOf(net.server, 'server'))!;
    const text = net.server.execute(
      process.execPath,
      PROGRAM,
      'status',
      '--verbose',
      nameOf(net.server, 'server'),
    );
    expect(text).toMatch(new RegExp(`^access +${inWords}$`, 'm'));
    expect(text).toMatch(/^droppedDenied +\d+$/m);
    expect(status['access']).toEqual({
      prefixes: 1,
      allow: [],
      deny: [`${a.address}/32`],
      default: 'allow',
    });
    const { inUse, counters } = status['dataPath'] as { inUse: string; counters?: Record<string, number> };
    expect([inUse, counters?.['droppedDenied']]).toEqual([
      path,
      path === 'kernel' ? status.counters['droppedDenied'] : undefined,
    ]);
    expect(teredoAddressNow(a.client)).toBeUndefined();
  });

  test('a client that the relay denies reaches no native host, and the native host gets "administratively prohibited"', async () => {
    await using net = new Internet();
    const a = net.site('a', 'port-restricted');
    const b = net.site('b', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    const relay = await startRelay(
      net.relay,
      RELAY_ADDRESS,
      '--data-path',
      path,
      '--allow',
      b.address,
      SERVER_ADDRESS,
    );
    expect(relay.output).toMatch(
      / access list: [\d.]+\/32, [\d.]+\/32 served; all other addresses are denied$/m,
    );
    for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS);
    const [addressA, addressB] = [await teredoAddress(a.client), await teredoAddress(b.client)];
    expect(await ping(b.client, NATIVE_ADDRESS, 10_000)).toBeDefined();
    expect(await ping(net.native, addressB)).toBeDefined();
    const outward = a.client.spawn('ping', ['-n', '-i', '0.2', NATIVE_ADDRESS]);
    const inward = net.native.spawn('ping', ['-n', '-i', '0.2', addressA]);
    await inward.waitFor(/Administratively prohibited/);
    await until('ten refusals', async () => {
      const { counters } = (await statusOf(net.relay, 'relay'))!;
      return counters['droppedDenied']! >= 10;
    });
    expect([outward.output, inward.output].join('')).not.toMatch(/time=/);
    expect(await statusOf(net.relay, 'relay')).toMatchObject({
      access: { prefixes: 2, default: 'deny' },
      dataPath: { inUse: path },
      peers: { trusted: 1, unverified: 0 },
    });
  });

  test('a client that is denied while it sends is no longer carried; another client is not affected', async () => {
    await using net = new Internet();
    const a = net.site('a', 'port-restricted');
    const b = net.site('b', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    const relay = await startChanging(net.relay, 'relay', RELAY_ADDRESS, path, `${a.address}/32`);
    for (const { client } of [a, b]) await startClient(client, SERVER_ADDRESS);
    const addressA = await teredoAddress(a.client);
    await teredoAddress(b.client);
    const honest = await HonestPing.start(b.client, NATIVE_ADDRESS);
    const denied = a.client.spawn('ping', ['-n', '-D', '-O', '-i', '0.2', NATIVE_ADDRESS]);
    await denied.waitFor(/time=/);
    const peers = async (count: number): Promise<void> => {
      if (path === 'kernel') await until(`${count} carried`, () => reportOf(relay).carried?.peers === count);
    };
    await peers(2);

    relay.kill('SIGUSR2');
    await relay.waitFor(/^denied: 1$/m);
    await peers(1);
    const before = reportOf(relay).counters['droppedDenied']!;
    await until('ten refusals', () => reportOf(relay).counters['droppedDenied']! >= before + 10);
    expect(reportOf(relay).carried?.peers).toBe(path === 'kernel' ? 1 : undefined);
    const answered = times(denied);
    await until('ten more', () => reportOf(relay).counters['droppedDenied']! >= before + 20);
    expect(times(denied)).toBe(answered);
    const error = net.native.spawn('ping', ['-n', '-i', '0.2', addressA]);
    await error.waitFor(/Administratively prohibited/);

    relay.kill('SIGUSR2');
    await relay.waitFor(/^denied: 0$/m);
    await until('an answer', () => times(denied) > answered);
    await peers(2);
    expect((await honest.stop()).answered).toBeGreaterThanOrEqual(1);
  });

  test("a change of a server's list takes effect at once", async () => {
    await using net = new Internet();
    const asker = addHost(net, 'asker', ATTACKER_ADDRESS);
    const server = await startChanging(net.server, 'server', SERVER_ADDRESS, path, '192.0.2.64/30');
    const order = { from: ATTACKER_ADDRESS, port: 5_000, to: SERVER_ADDRESS, toPort: 3_544 };
    const ask = (wanted: number) => send(asker, { ...order, payloads: [solicitation()], wanted });
    expect((await ask(1)).answers).toHaveLength(1);
    server.kill('SIGUSR2');
    await server.waitFor(/^denied: 1$/m);
    const denied = (): number => reportOf(server).counters['droppedDenied']!;
    await ask(0);
    await until('a refusal', () => denied() === 1);
    expect(reportOf(server).kernelCounters?.['droppedDenied']).toBe(path === 'kernel' ? 1 : undefined);
    server.kill('SIGUSR2');
    await server.waitFor(/^denied: 0$/m);
    expect((await ask(1)).answers).toHaveLength(1);
    const { counters, kernelCounters } = await until('two answers', () => {
      const report = reportOf(server);
      return report.counters['solicitationsAnswered'] === 2 ? report : undefined;
    });
    expect([reportOf(server).path, counters['droppedDenied']]).toEqual([path, 1]);
    if (path === 'kernel') {
      // After each second, one datagram goes to the socket as a sample.
      const { solicitationsAnswered, leftToSockets } = kernelCounters!;
      expect(solicitationsAnswered).toBeGreaterThan(0);
      expect(solicitationsAnswered! + leftToSockets!).toBe(2);
    }
  });
});

interface Report {
  readonly path: string;
  readonly counters: Readonly<Record<string, number>>;
  readonly kernelCounters?: Readonly<Record<string, number>>;
  readonly carried?: { readonly peers: number };
}

async function startChanging(host: Namespace, ...args: string[]): Promise<Running> {
  const running = host.spawn(process.execPath, [CHANGING, ...args]);
  await running.waitFor(/is running/);
  await running.waitFor(/^\{.*\}$/m);
  return running;
}

/** The latest process. */
function reportOf(running: Running): Report {
  return JSON.parse([...running.output.matchAll(/^\{.*\}$/gm)].at(-1)![0]) as Report;
}

/** The number of answers that a ping has had. */
function times(running: Running): number {
  return [...running.output.matchAll(/time=/g)].length;
}
