/** Packets with a routing header of type 0 are dropped at the entrance of the tunnel, on both data paths, also after other headers. C-31 */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

/** Sends packets of this protocol, with these octets after the IPv6 header, to an address. */
const SEND = `
import socket, sys
address, protocol, payload = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol)
for _ in range(5): raw.sendto(payload, (address, 0))`;
const NOTHING_BEHIND = '3b';
const ROUTING_0 = `${NOTHING_BEHIND}0200010000000020010db800000000000000000000dead`;
const ROUTING_2 = ROUTING_0.replace(`${NOTHING_BEHIND}0200`, `${NOTHING_BEHIND}0202`);
/** By protocol. */
const SOURCE_ROUTED = [
  [43, ROUTING_0],
  [60, `2b00010400000000${ROUTING_0}`],
  [44, `2b00000100000001${ROUTING_0}`],
] as const;
const SENT = 5 * SOURCE_ROUTED.length;

function send(from: Namespace, to: string, protocol: number, payload: string): void {
  from.execute('python3', '-c', SEND, to, String(protocol), payload);
}

test.each(['user', 'kernel'] as const)('path %s: dropped and counted by relay and client', async (path) => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const options = ['--data-path', path];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...options);
  await startClient(site.client, SERVER_ADDRESS, ...options);
  const address = await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
  if (path === 'kernel') await proveKernelPath(site.client, NATIVE_ADDRESS, net.relay);
  const counters = async (host: Namespace, role: string): Promise<Readonly<Record<string, number>>> =>
    (await statusOf(host, role))!.counters;
  for (const [from, to, host, role] of [
    [net.native, address, net.relay, 'relay'],
    [site.client, NATIVE_ADDRESS, site.client, 'client'],
  ] as const) {
    const sent = role === 'relay' ? 'relayedToClients' : 'sentPackets';
    const before = (await counters(host, role))[sent]!;
    for (const [protocol, payload] of SOURCE_ROUTED) send(from, to, protocol, payload);
    await until(
      `${SENT} dropped by the ${role}`,
      async () => (await counters(host, role))['droppedRoutingHeader'] === SENT || undefined,
    );
    // Another type passes, by the process.
    send(from, to, 43, ROUTING_2);
    await until('sent', async () => (await counters(host, role))[sent]! >= before + 5 || undefined);
    expect((await counters(host, role))['droppedRoutingHeader']).toBe(SENT);
  }
  expect(await ping(net.native, address)).toBeDefined();
});
