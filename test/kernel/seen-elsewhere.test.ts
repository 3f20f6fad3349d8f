/** Whether other programs of the host see packets that the kernel carries: docs/guide/counters.md. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { peersOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

const PINGS = 40;
/** The socket gets one packet in 4 s each way, and the last ones of the proof may come late. */
const FEW = 10;

test('interface counters and tcpdump on the tunnel miss carried packets; nftables, tcpdump on the uplink and teredo peers do not', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const host = site.client;
  const options = ['--data-path', 'kernel'];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...options);
  await startClient(host, SERVER_ADDRESS, ...options);
  await teredoAddress(host);
  expect(await ping(host, NATIVE_ADDRESS)).toBeDefined();
  await proveKernelPath(host, NATIVE_ADDRESS, net.relay);

  host.nft(`table ip6 seen {
    counter in {}
    counter out {}
    chain input { type filter hook input priority 0; iifname "teredo" icmpv6 type echo-reply counter name "in"; }
    chain output { type filter hook output priority 0; oifname "teredo" icmpv6 type echo-request counter name "out"; }
  }`);
  const dumps = [
    ['teredo', 'icmp6'],
    ['eth', 'udp'],
  ].map(([name, filter]) => host.spawn('tcpdump', ['-lnn', '-i', name!, filter!]));
  for (const dump of dumps) await dump.waitFor(/listening on/);
  const linkBefore = linkCounters(host.ip('-s', '-j', 'link', 'show', 'teredo'));
  const trafficBefore = (await peersOf(host, 'client')).peers.find(isNative)!;
  host.execute('ping', '-n', '-q', '-c', String(PINGS), '-i', '0.02', NATIVE_ADDRESS);
  const [onTunnel, onUplink] = dumps.map((dump) => () => dump.stdout);
  await until('all on the uplink', () => countOf(onUplink!(), /length/g) >= 2 * PINGS || undefined);

  const link = linkCounters(host.ip('-s', '-j', 'link', 'show', 'teredo'));
  expect(link.received - linkBefore.received).toBeLessThan(FEW);
  expect(link.sent - linkBefore.sent).toBeLessThan(FEW);
  expect(countOf(onTunnel!(), /echo reply/g)).toBeGreaterThanOrEqual(PINGS - FEW);
  expect(countOf(onTunnel!(), /echo request/g)).toBeLessThan(FEW);

  const traffic = (await peersOf(host, 'client')).peers.find(isNative)!;
  expect(traffic.receivedPackets - trafficBefore.receivedPackets).toBe(PINGS);
  expect(traffic.sentPackets - trafficBefore.sentPackets).toBe(PINGS);
  const counted = JSON.parse(host.execute('nft', '-j', 'list', 'counters', 'table', 'ip6', 'seen')) as {
    nftables: { counter?: { packets: number } }[];
  };
  expect(counted.nftables.flatMap(({ counter }) => counter?.packets ?? [])).toEqual([PINGS, PINGS]);
});

function isNative({ address }: { readonly address: string }): boolean {
  return address === NATIVE_ADDRESS;
}

function linkCounters(json: string): { readonly received: number; readonly sent: number } {
  const [{ stats64 }] = JSON.parse(json) as [{ stats64: Record<'rx' | 'tx', { readonly packets: number }> }];
  return { received: stats64.rx.packets, sent: stats64.tx.packets };
}

function countOf(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length;
}
