/**
 * One TCP connection from a client through the relay to a native host, while the data path changes, or the NAT or a peer forgets: the data
 * arrive whole. `TEREDO_TEST_BYTES=10000000000` makes it 10 GB.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  flushMappings,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace, Running, Site } from '../../src/lab/index.ts';
import { peersOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';
import { IS_ALL } from '../support/extent.ts';

const BYTES = Number(process.env['TEREDO_TEST_BYTES'] ?? 200_000_000);
/** The slowest path is faster than this. */
const LONG_MS = 90_000 + BYTES / 20_000;
const KERNEL = ['--data-path', 'kernel'];
const SWITCHING = fileURLToPath(new URL('../support/switching.mjs', import.meta.url));

interface Ends {
  readonly net: Internet;
  readonly site: Site;
  readonly client: Running;
  readonly relay: Running;
}

/** Sends all data up, then down, with these events in between. */
async function sendBothWays(
  ends: Ends,
  happens: (sender: Running, from: Namespace) => Promise<void>,
): Promise<void> {
  const { net, site } = ends;
  const own = await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  const ways: [Namespace, Namespace, string][] = [
    [site.client, net.native, NATIVE_ADDRESS],
    [net.native, site.client, own],
  ];
  for (const [from, to, address] of ways) {
    expect(
      await transfer(from, to, address, BYTES, LONG_MS, (sender) => happens(sender, from)),
    ).toMatchObject({ whole: true });
  }
}

test('the path is switched at both ends, kernel -> user -> kernel', { timeout: 3 * LONG_MS }, async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await switching(net.relay, 'relay', RELAY_ADDRESS);
  const client = await switching(site.client, 'client', SERVER_ADDRESS);
  await sendBothWays({ net, site, client, relay }, async (sender) => {
    for (const end of [client, relay, client, relay]) {
      const from = end.output.length;
      end.kill('SIGUSR2');
      await end.waitFor(new RegExp(`^[^]{${from}}path (kernel|user)`));
      await progress(sender);
    }
  });
  expect(client.output.match(/path user\npath kernel/g)).toHaveLength(2);
});

test.runIf(IS_ALL)(
  "the NAT forgets the mapping, and the peer's entry lapses and comes back",
  { timeout: 3 * LONG_MS },
  async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    const relay = await startRelay(net.relay, RELAY_ADDRESS, ...KERNEL);
    const client = await startClient(site.client, SERVER_ADDRESS, ...KERNEL);
    await sendBothWays({ net, site, client, relay }, async (sender, from) => {
      await progress(sender);
      flushMappings(site.nat);
      await progress(sender);
      if (from === net.native) return; // the entry lapses at both ends at once
      sender.kill('SIGSTOP');
      await lapsed(net.relay);
      sender.kill('SIGCONT');
    });
  },
);

test('the relay is killed and started again', { timeout: 3 * LONG_MS }, async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  let relay = await startRelay(net.relay, RELAY_ADDRESS, ...KERNEL);
  const client = await startClient(site.client, SERVER_ADDRESS, ...KERNEL);
  await sendBothWays({ net, site, client, relay }, async (sender) => {
    await progress(sender);
    relay.kill('SIGKILL');
    await relay.exited;
    relay = await startRelay(net.relay, RELAY_ADDRESS, ...KERNEL);
  });
});

async function switching(host: Namespace, role: string, address: string): Promise<Running> {
  const running = host.spawn(process.execPath, [SWITCHING, role, address]);
  await running.waitFor(/is running/);
  return running;
}

/** A tenth of the data has arrived. */
async function progress(sender: Running): Promise<void> {
  const last = /tenth (\d+)\n$/.exec(sender.output)?.[1] ?? '0';
  await sender.waitFor(new RegExp(`tenth ${Number(last) + 2}\\n`), LONG_MS);
}

/** The kernel has carried something, and nothing of it within the 30 s for which a peer is valid. */
async function lapsed(host: Namespace): Promise<void> {
  const heard = async (): Promise<number> => {
    const { peers } = await peersOf(host, 'relay');
    return Math.min(...peers.map(({ receivedSecondsAgo }) => receivedSecondsAgo ?? 0));
  };
  await until('30 s of silence', async () => (await heard()) > 31 || undefined, 60_000, 500);
}
