/**
 * Whether hosts that are new to a client are answered while attackers send as much as they can, from all their addresses and networks.
 * CL-124
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Internet, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { buildEchoRequest, toHex } from '../../src/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { everyNth } from '../support/extent.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { ATTACKER_ADDRESS, addHost, send, v6 } from './attack-lab.ts';

const NEWCOMERS = 10;
const PER_SECOND = 100;
const PINGS = fileURLToPath(new URL('attacker/pings.py', import.meta.url));

/** How many of ten native hosts, each new, get an answer within three pings. */
async function answered(native: Namespace, to: string): Promise<number> {
  let count = 0;
  for (let i = 0; i < NEWCOMERS; i++) {
    const from = `2001:db8:2::${(0x1000 + i).toString(16)}`;
    native.ip('-6', 'addr', 'add', `${from}/64`, 'dev', 'v6', 'nodad');
    const ping = native.spawn('ping', ['-n', '-c', '3', '-i', '0.3', '-W', '1', '-I', from, to]);
    await ping.exited;
    if (/[1-3] received/.test(ping.output)) count++;
  }
  return count;
}

/** A native host that has all of 2001:db8:6000::/36 and answers nothing. */
function addNative(net: Internet): Namespace {
  const host = net.lab.host('greedy');
  net.lab.wire(net.relay, 'v6b', ['2001:db8:66::1/64'], host, 'v6', ['2001:db8:66::2/64']);
  host.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:66::1');
  net.relay.ip('-6', 'route', 'add', '2001:db8:6000::/36', 'via', '2001:db8:66::2');
  return host;
}

/** Waits until the budget for strangers has been used up for a while. */
async function usedUp(client: Namespace): Promise<void> {
  await eventually(async () => {
    const { counters } = (await statusOf(client, 'client'))!;
    expect(counters.suppressedTests).toBeGreaterThan(300);
  });
}

async function pinging(host: Namespace, to: string, networks: number): Promise<Running> {
  const sources = Array.from({ length: networks }, (_, i) =>
    toHex(v6(`2001:db8:${(0x6000 + i).toString(16)}::`).slice(0, 12)),
  );
  const running = host.spawn('python3', [PINGS, to, String(PER_SECOND), '120', ...sources]);
  await running.waitFor(/ready/);
  return running;
}

const NETWORKS = [
  ['ten /48s', 10],
  ['a /64', 1],
] as const;

test.each(everyNth(3, NETWORKS))(
  'of %s, nothing forged, by the same relay: ten of ten new native hosts are answered',
  async (_, networks) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const greedy = addNative(net);
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    await startClient(site.client, SERVER_ADDRESS);
    const address = await teredoAddress(site.client);
    const attack = await pinging(greedy, address, networks);
    await usedUp(site.client);
    expect(await answered(net.native, address)).toBe(NEWCOMERS);
    await attack.stop();
  },
);

test('of ever new native sources, forged, straight to the mapped port: ten of ten new native hosts are answered', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  const { mapped } = (await statusOf(site.client, 'client'))!;
  const payloads = Array.from({ length: 5_000 }, (_, i) => {
    // Some in the name of the new hosts' own network.
    const source = v6(
      i % 4 === 0
        ? `2001:db8:2::${(0x2000 + i).toString(16)}`
        : `2a${(i & 0x3f).toString(16).padStart(2, '0')}:${i.toString(16)}::1`,
    );
    return buildEchoRequest({
      source,
      destination: v6(address),
      hopLimit: 60,
      identifier: 1,
      sequence: 1,
      data: new Uint8Array(8),
    });
  });
  const attack = send(attacker, {
    from: ATTACKER_ADDRESS,
    to: site.address,
    toPort: Number(String(mapped).split(':')[1]),
    payloads,
    count: 25 * 200,
    perSecond: 200,
  });
  await usedUp(site.client);
  expect(await answered(net.native, address)).toBe(NEWCOMERS);
  await attack;
});
