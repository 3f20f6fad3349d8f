/** The traffic of each peer in `teredo peers` is exact at once, on either data path. */
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
import type { DataPath } from '../../src/control/status.ts';
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import {
  PROGRAM,
  nameOf,
  peersOf,
  startClient,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

/** The long form shows a single missing packet in a million. */
const SIZES = IS_ALL ? { up: 1_500_000_000, down: 1_500_000_000 } : { up: 20_000_000, down: 10_000_000 };
/** Headers of IPv6 and TCP, acknowledgements, and retransmissions. */
const MOST_OVERHEAD = 1.2;

interface Traffic {
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
}

const COLUMNS = ['receivedPackets', 'receivedBytes', 'sentPackets', 'sentBytes'] as const;

/** Of all peers together. */
async function trafficOf(host: Namespace, role: string): Promise<Traffic> {
  const { peers } = await peersOf(host, role);
  const sum = (column: keyof Traffic): number => peers.reduce((total, peer) => total + peer[column], 0);
  const [receivedPackets = 0, receivedBytes = 0, sentPackets = 0, sentBytes = 0] = COLUMNS.map(sum);
  return { receivedPackets, receivedBytes, sentPackets, sentBytes };
}

/** The totals of a host's role in packets: of the process and of the kernel. */
async function totalsOf(
  host: Namespace,
  role: 'client' | 'relay',
): Promise<{ received: number; sent: number }> {
  const status = (await statusOf(host, role))!;
  const { carried } = status['dataPath'] as DataPath;
  const [received, sent] =
    role === 'client' ? ['deliveredPackets', 'sentPackets'] : ['relayedToNative', 'relayedToClients'];
  return {
    received: status.counters[received!]! + (carried?.receivedPackets ?? 0),
    sent: status.counters[sent!]! + (carried?.sentPackets ?? 0),
  };
}

/** The test of the client has gone through the server, and only the native host's reply through the relay. */
async function expectReplyToTest(relay: Namespace): Promise<void> {
  const { receivedPackets, receivedBytes, sentPackets, sentBytes } = await trafficOf(relay, 'relay');
  expect([sentPackets - receivedPackets, sentBytes - receivedBytes]).toEqual([1, 56]);
}

test.each(['user', 'kernel'] as const)(
  'path %s: peers add up to the totals, and only grow meanwhile',
  async (path) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const options = ['--data-path', path];
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS, ...options);
    await startClient(site.client, SERVER_ADDRESS, ...options);
    const address = await teredoAddress(site.client);
    expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
    if (path === 'user') await expectReplyToTest(net.relay);
    if (path === 'kernel') await proveKernelPath(site.client, NATIVE_ADDRESS, net.relay);

    const seats = [
      [site.client, 'client'],
      [net.relay, 'relay'],
    ] as const;
    const seen = seats.map((): Traffic[] => []);
    let isOver = false;
    const watching = Promise.all(
      seats.map(async ([host, role], i) => {
        while (!isOver) seen[i]!.push(await trafficOf(host, role));
      }),
    );
    const up = await transfer(site.client, net.native, NATIVE_ADDRESS, SIZES.up);
    const down = await transfer(net.native, site.client, address, SIZES.down);
    isOver = true;
    await watching;
    expect([up.whole, down.whole]).toEqual([true, true]);

    for (const [i, [host, role]] of seats.entries()) {
      const traffic = await trafficOf(host, role);
      const totals = await totalsOf(host, role);
      expect(await trafficOf(host, role)).toEqual(traffic);
      expect({ received: traffic.receivedPackets, sent: traffic.sentPackets }).toEqual(totals);
      const [uphill, downhill] =
        role === 'client'
          ? [traffic.sentBytes, traffic.receivedBytes]
          : [traffic.receivedBytes, traffic.sentBytes];
      expect(uphill / SIZES.up).toBeGreaterThan(1);
      expect(uphill / SIZES.up).toBeLessThan(MOST_OVERHEAD);
      expect(downhill / SIZES.down).toBeGreaterThan(1);
      expect(downhill / SIZES.down).toBeLessThan(MOST_OVERHEAD);
      const all = [...seen[i]!, traffic];
      for (const column of COLUMNS) {
        const values = all.map((one) => one[column]);
        expect(values, `${role}: ${column}`).toEqual(values.toSorted((a, b) => a - b));
      }
    }
    const [row] = /^2001:db8:2::2 .*/m.exec(
      site.client.execute(process.execPath, PROGRAM, 'peers', nameOf(site.client, 'client')),
    )!;
    const { peers } = await peersOf(site.client, 'client');
    const native = peers.find((peer) => peer.address === NATIVE_ADDRESS)!;
    expect(
      row
        .trim()
        .split(/\s{2,}/)
        .slice(-4),
    ).toEqual(COLUMNS.map((column) => String(native[column])));
  },
);
