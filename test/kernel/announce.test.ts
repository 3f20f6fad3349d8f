/** A server and a relay whose public addresses are on no interface: a 1:1 NAT (EC2, Azure, GCP, Docker) translates them. */
import { expect, test } from 'vitest';
import { Internet, timeToFirstReply } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { eventually } from '../support/eventually.ts';
import {
  DATA_PATH,
  spawnTeredo,
  startClient,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';
import { IS_ALL } from '../support/extent.ts';

const [PUBLIC, PUBLIC_TOO, PUBLIC_RELAY] = ['203.0.113.140', '203.0.113.142', '203.0.113.150'] as const;
const [INSIDE, INSIDE_TOO, INSIDE_RELAY] = ['172.31.0.10', '172.31.0.17', '172.31.0.20'] as const;

/** `hairpin`: a host inside reaches itself at its external address. */
function cloud(net: Internet, { hairpin }: { readonly hairpin: boolean }) {
  const { lab } = net;
  const [nat, wire, server, relay] = [
    lab.host('one-to-one'),
    lab.switch('cloud'),
    lab.host('cloud-server'),
    lab.host('cloud-relay'),
  ];
  net.attach(nat, 'wan', PUBLIC, PUBLIC_TOO, PUBLIC_RELAY);
  lab.connect(nat, 'lan', wire, '172.31.0.1/24');
  nat.sysctl('net.ipv4.ip_forward', '1');
  const pairs = [
    [PUBLIC, INSIDE],
    [PUBLIC_TOO, INSIDE_TOO],
    [PUBLIC_RELAY, INSIDE_RELAY],
  ] as const;
  nat.nft(`
    table ip onetoone {
      chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        ${hairpin ? '' : 'iifname "wan"'} dnat to ip daddr map { ${pairs.map(([out, own]) => `${out} : ${own}`).join(', ')} }
      }
      chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        ${hairpin ? '' : 'oifname "wan"'} snat to ip saddr map { ${pairs.map(([out, own]) => `${own} : ${out}`).join(', ')} }
      }
    }`);
  lab.connect(server, 'eth0', wire, `${INSIDE}/24`, `${INSIDE_TOO}/24`);
  lab.connect(relay, 'eth0', wire, `${INSIDE_RELAY}/24`);
  for (const host of [server, relay]) host.ip('route', 'add', 'default', 'via', '172.31.0.1');
  lab.wire(relay, 'v6s', ['2001:db8:78::1/64'], server, 'v6', ['2001:db8:78::2/64']);
  server.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:78::1');
  return { server, relay };
}

const ANNOUNCED = ['--announce', PUBLIC, '--secondary', INSIDE_TOO, '--announce-secondary', PUBLIC_TOO];

/** A relay for one native host, between that host and the IPv4 network. */
function nativeBehind(net: Internet, relay: Namespace): Namespace {
  const native = net.lab.host('cloud-native');
  net.lab.wire(relay, 'v6', ['2001:db8:77::1/64'], native, 'v6', ['2001:db8:77::2/64']);
  relay.sysctl('net.ipv6.conf.all.forwarding', '1');
  native.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:77::1');
  return native;
}

test('clients qualify with a server behind a 1:1 NAT, reach each other, and native hosts through a relay there', async () => {
  await using net = new Internet();
  const { server, relay } = cloud(net, { hairpin: true });
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  const running = await startServer(server, INSIDE, ...ANNOUNCED);
  await running.waitFor(/announced: 203\.0\.113\.140 and 203\.0\.113\.142 lead to this server/);
  expect(running.output).not.toMatch(/warning/);
  const native = nativeBehind(net, relay);
  const relaying = spawnTeredo(relay, 'relay', '--address', INSIDE_RELAY, '--announce', PUBLIC_RELAY);
  await relaying.waitFor(/is running/);
  expect(relaying.output).not.toMatch(/warning/);
  const [one] = await Promise.all([
    startClient(a.client, PUBLIC, '--secondary', PUBLIC_TOO),
    startClient(b.client, PUBLIC, '--secondary', PUBLIC_TOO),
  ]);
  const [addressA, addressB] = [await teredoAddress(a.client), await teredoAddress(b.client)];
  for (const address of [addressA, addressB]) expect(address).toMatch(/^2001:0:cb00:718c:/);
  expect(one.output).not.toMatch(/could not be ruled out/); // both addresses were asked
  expect(await timeToFirstReply(a.client, addressB)).toBeLessThan(1_000);
  expect(await timeToFirstReply(native, addressA)).toBeLessThan(2_500);
  const status = await statusOf(server, 'server');
  expect(status).toMatchObject({
    address: INSIDE,
    announced: PUBLIC,
    announcedSecondary: PUBLIC_TOO,
    dataPath: { inUse: DATA_PATH },
  });
  await eventually(async () => expect(forwardedBy(await statusOf(server, 'server'))).toBeGreaterThan(0));
});

function forwardedBy(status: Awaited<ReturnType<typeof statusOf>>): number {
  const { counters } = status as unknown as { readonly counters: Record<string, number> };
  return counters['forwardedToClients'] ?? 0;
}

test.runIf(IS_ALL)(
  'a NAT that does not hairpin: the server reports that it cannot check, and serves',
  async () => {
    await using net = new Internet();
    const { server } = cloud(net, { hairpin: false });
    const running = await startServer(server, INSIDE, ...ANNOUNCED);
    await running.waitFor(/cannot tell whether 203\.0\.113\.140 and 203\.0\.113\.142 lead to it/, 30_000);
    const site = net.site('a', 'port-restricted');
    await startClient(site.client, PUBLIC, '--secondary', PUBLIC_TOO);
    expect(await teredoAddress(site.client)).toMatch(/^2001:0:cb00:718c:/);
  },
);

test('two errors give the remedy: the public address is not on this host; the private one must not be announced', async () => {
  await using net = new Internet();
  const { server } = cloud(net, { hairpin: true });
  const notHere = spawnTeredo(server, 'server', '--address', PUBLIC, '--no-native');
  expect(await notHere.exited).toBe(1);
  expect(notHere.output).toMatch(
    /203\.0\.113\.140 is not an address of this host.*1:1 NAT.*--address and this one with --announce/,
  );
  const privateOne = await startServer(server, INSIDE, '--secondary', 'none', '--no-native');
  expect(privateOne.output).toMatch(/172\.31\.0\.10 is a private address.*1:1 NAT.*--announce/);
});
