/** Datagrams unwrapped in the driver (XDP): the kernel merges the segments in them, and all else is as without. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, transfer } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import type { DataPath } from '../../src/control/status.ts';
import { proveKernelPath } from '../support/carried.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 20_000_000;
const XDP = ['--data-path', 'kernel', '--xdp', 'on'];

test('TCP in both directions through client and relay: the right octets, many datagrams in one packet', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  for (const [host, device] of [
    [client, 'eth'],
    [net.relay, 'wan'],
  ] as const)
    host.execute('ethtool', '-K', device, 'gro', 'on');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...XDP);
  await startClient(client, SERVER_ADDRESS, ...XDP);
  const address = await teredoAddress(client);
  await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  const merged: Record<string, number> = {};
  for (const [host, role] of [
    [client, 'client'],
    [net.relay, 'relay'],
  ] as const) {
    countPackets(host);
    const before = await kernelPathOf(host, role);
    expect(before.uplinks).toMatchObject([{ xdp: true }]);
    const isDown = role === 'client';
    const sent = isDown
      ? await transfer(net.native, client, address, BYTES)
      : await transfer(client, net.native, NATIVE_ADDRESS, BYTES);
    expect(sent).toMatchObject({ whole: true });
    const after = await kernelPathOf(host, role);
    const carried = after.counters!['inDriver']! - before.counters!['inDriver']!;
    expect(carried).toBeGreaterThan(BYTES / 1_280);
    merged[role] = carried / packetsOf(host);
  }
  expect(merged['client']).toBeGreaterThan(4);
  expect(merged['relay']).toBeGreaterThan(4);
});

async function kernelPathOf(host: Namespace, role: string): Promise<DataPath> {
  return (await statusOf(host, role))!['dataPath'] as DataPath;
}

/** Counts the TCP packets that come out of the tunnel, merged ones as one. */
function countPackets(host: Namespace): void {
  host.execute('nft', 'add table ip6 merged');
  host.execute('nft', 'add chain ip6 merged in { type filter hook prerouting priority -300; }');
  host.execute('nft', 'add rule ip6 merged in iifname teredo meta l4proto tcp counter');
}

function packetsOf(host: Namespace): number {
  return Number(/packets (\d+)/.exec(host.execute('nft', 'list table ip6 merged'))![1]);
}
