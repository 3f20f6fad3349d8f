/** Where a host's IPv6 packets go while it has a tunnel and other IPv6 that is not usable, or not yet. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { everyNth } from '../support/extent.ts';

const ROUTER = 'fe80::1';

const NO_INTERNET = [
  ['a unique local address', 'fd12:3456:789a::100/64'],
  ['a 6to4 address', '2002:c633:6401::100/64'],
] as const;

test.each(everyNth(2, NO_INTERNET))(
  'a host with %s and an advertised default route reaches the native Internet through the tunnel',
  async (_, address) => {
    await using net = new Internet();
    const { client, nat } = net.site('a', 'port-restricted');
    giveDefaultRoute(client, nat, address);
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    const program = await startClient(client, SERVER_ADDRESS);
    await teredoAddress(client);
    expect(await statusOf(client, 'client')).toMatchObject({ defaultRoute: true });
    expect(program.output).not.toMatch(/native IPv6/);
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  },
);

/** As a router advertises it, with the metric that such a route has. */
function giveDefaultRoute(host: Namespace, router: Namespace, address: string): void {
  router.ip('-6', 'address', 'add', `${ROUTER}/64`, 'dev', 'lan', 'nodad');
  host.ip('-6', 'address', 'add', address, 'dev', 'eth', 'nodad');
  host.ip('-6', 'route', 'add', 'default', 'via', ROUTER, 'dev', 'eth', 'metric', '1024', 'onlink');
}

const ELSEWHERE = '2001:db8:77::1';

test.each([
  ['whose socket is bound', (address: string) => ['-I', address]],
  ['whose socket is not bound', () => []],
])('no packet from the Teredo address leaves by another interface: of a program %s', async (_, bound) => {
  await using net = new Internet();
  const { client, nat } = net.site('a', 'port-restricted');
  nat.ip('-6', 'address', 'add', `${ROUTER}/64`, 'dev', 'lan', 'nodad');
  client.ip('-6', 'route', 'add', `${ELSEWHERE}/128`, 'via', ROUTER, 'dev', 'eth', 'onlink');
  nat.nft(
    `table ip6 seen {
    chain c {
      type filter hook prerouting priority 0;
      ip6 daddr ${ELSEWHERE} counter
    }
  }`,
  );
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const program = await startClient(client, SERVER_ADDRESS);
  const address = await teredoAddress(client);
  const pinging = client.spawn('ping', [
    '-6',
    '-c',
    '3',
    '-i',
    '0.2',
    '-W',
    '1',
    ...bound(address),
    ELSEWHERE,
  ]);
  await pinging.exited;
  expect(packetsOf(client, 'teredo-teredo')).toBeGreaterThanOrEqual(3);
  expect(packetsOf(nat, 'seen')).toBe(0);
  expect(program.output).not.toMatch(/warning/);
});

/** Packets counted by the table's first rule with a counter. */
function packetsOf(host: Namespace, table: string): number {
  const listed = host.execute('nft', 'list', 'table', 'ip6', table);
  return Number(/counter packets (\d+)/.exec(listed)?.[1]);
}
