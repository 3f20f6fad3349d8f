/**
 * A relay that is restarted while a client sends TCP both ways, and 100 further clients ping, too. On the kernel path the
 * programs of the old process carry until those of the new one do. On the user path packets wait in the queues of socket and interface.
 */
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
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import { LightClients } from '../support/light-clients.ts';
import { peersOf, startClient, startServer, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';
import { SteadyTraffic } from '../support/steady-traffic.ts';

const PEERS = 100;
/** Between two pings of the client, and of each of the other peers: more would occupy both processors. */
const [CLIENT_MS, PEER_MS] = [10, 50];
const CROWD_ADDRESS = '198.51.100.200';
/** The least that each direction carries. */
const BYTES = 500_000_000;
const LONG_MS = 100_000;

type Path = 'user' | 'kernel';
/** The longest time of which a peer's packets may be lost. */
const MOST_LOST_MS: Readonly<Record<Path, number>> = { kernel: 0, user: 200 };

test.runIf(IS_ALL).for(['kernel', 'user'] as const)(
  '%s path: with TCP both ways and 100 peers, hardly a ping is lost, and all data arrive',
  async (path) => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    const crowd = net.lab.host('crowd');
    net.attach(crowd, 'wan', CROWD_ADDRESS);
    await startServer(net.server, SERVER_ADDRESS);
    const options = ['--data-path', path];
    const relay = await ManagedRole.start(net.relay, 'relay', ['--address', RELAY_ADDRESS, ...options]);
    await startClient(client, SERVER_ADDRESS, ...options);
    const address = await teredoAddress(client);
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
    if (path === 'kernel') await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
    const peers = await LightClients.start(crowd, {
      count: PEERS,
      address: CROWD_ADDRESS,
      server: SERVER_ADDRESS,
      native: NATIVE_ADDRESS,
      everyMs: PEER_MS,
    });
    if (path === 'kernel') await until('all on the kernel path', () => areAllCarried(net.relay));
    const pings = await SteadyTraffic.between('pings', [client, address], [net.native, NATIVE_ADDRESS]);

    let since = 0;
    const restart = async (): Promise<void> => {
      since = Date.now();
      await relay.restart();
      const back = Date.now();
      for (const one of pings) await one.flowsFrom(back);
    };
    const up = transfer(client, net.native, NATIVE_ADDRESS, BYTES, LONG_MS, async () => void (await down));
    const down = transfer(net.native, client, address, BYTES, LONG_MS, restart);
    for (const { whole, bytes, seconds } of await Promise.all([up, down])) {
      print(path, `TCP ${((8 * bytes) / 1e6 / seconds).toFixed(0)} Mbit/s`);
      expect(whole).toBe(true);
    }

    const most = MOST_LOST_MS[path];
    for (const { lost, longestPauseMs } of pings.map((one) => one.lossesSince(since))) {
      print(path, `the client: ${lost} pings lost, longest pause ${longestPauseMs.toFixed(0)} ms`);
      expect(lost * CLIENT_MS).toBeLessThanOrEqual(most);
    }
    const losses = await peers.losses();
    print(path, `${PEERS} peers: ${JSON.stringify(losses)}`);
    expect(losses.mostLost * PEER_MS).toBeLessThanOrEqual(most);
    expect(relay.output).toContain(`${PEERS + 1} peers taken over from the last process`);
  },
);

async function areAllCarried(relay: Namespace): Promise<boolean> {
  const { peers } = await peersOf(relay, 'relay');
  return peers.filter(({ carried }) => carried === 'both').length === PEERS + 1;
}

function print(path: Path, text: string): void {
  process.stdout.write(`${path} path: ${text}\n`);
}
