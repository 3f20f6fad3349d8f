/** Datagrams unwrapped in the driver (XDP): the kernel merges the segments in them, and all else is as without. adr/0034 */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import type { DataPath } from '../../src/control/status.ts';
import { proveKernelPath } from '../support/carried.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';

const BYTES = 20_000_000;
const FEW = 2_000_000;
/** Packets of about that many octets. */
const MOST_OF_FEW = FEW / 1_300;
const KERNEL = ['--data-path', 'kernel', '--xdp'];
const UPLINK = { client: 'eth', relay: 'wan' } as const;
type Role = keyof typeof UPLINK;

interface World {
  readonly net: Internet;
  readonly client: Namespace;
  readonly nat: Namespace;
  readonly running: Running;
  /** The client's. */
  readonly address: string;
}

/** Links as those of hardware: packets are merged where they come in, and sent in single ones. */
async function start(net: Internet, xdp: string, clientPath = 'kernel'): Promise<World> {
  const { client, nat } = net.site('a', 'port-restricted');
  for (const role of ['client', 'relay'] as const)
    set(role === 'client' ? client : net.relay, UPLINK[role], 'gro', 'on', 'tso', 'off');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...KERNEL, xdp);
  const args = ['--data-path', clientPath, '--xdp', xdp];
  const running = await startClient(client, SERVER_ADDRESS, ...args);
  const address = await teredoAddress(client);
  if (clientPath === 'kernel') await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  else await transfer(client, net.native, NATIVE_ADDRESS, 1_000);
  return { net, client, nat, running, address };
}

test('TCP in both directions through client and relay: the right octets, many datagrams in one packet, each counted', async () => {
  await using net = new Internet();
  const { client, address } = await start(net, 'on');
  const merges = async (host: Namespace, role: Role, send: () => Promise<unknown>): Promise<void> => {
    countPackets(host);
    const before = await kernelPathOf(host, role);
    expect(before.uplinks).toMatchObject([{ interface: UPLINK[role], xdp: true }]);
    expect(await send()).toMatchObject({ whole: true });
    const after = await kernelPathOf(host, role);
    const [datagrams, octets, received] = (['inDriver', 'carriedInBytes', 'carriedIn'] as const).map(
      (name) => after.counters![name]! - before.counters![name]!,
    );
    // 60 octets of headers, and those of TCP's timestamps.
    expect(octets).toBeGreaterThan(BYTES + 72 * Math.ceil(BYTES / 1_208) - 1);
    expect(datagrams).toBeGreaterThan(BYTES / 1_220);
    expect(received! - datagrams!).toBeLessThan(datagrams! / 20);
    expect(datagrams! / mergedPackets(host)).toBeGreaterThan(4);
    const { peers } = after.carried!;
    expect(peers).toBe(1);
  };
  await merges(client, 'client', () => transfer(net.native, client, address, BYTES));
  await merges(net.relay, 'relay', () => transfer(client, net.native, NATIVE_ADDRESS, BYTES));
});

test('it is off when that is wished, and there is a reason; all is carried at tc', async () => {
  await using net = new Internet();
  const { client, address } = await start(net, 'off');
  expect(await transfer(net.native, client, address, FEW)).toMatchObject({ whole: true });
  const { counters, uplinks } = await kernelPathOf(client, 'client');
  expect(uplinks).toMatchObject([{ xdp: false, withoutXdp: 'switched off' }]);
  expect(counters!['inDriver']).toBe(0);
  expect(counters!['carriedIn']).toBeGreaterThan(MOST_OF_FEW);
});

test('another process detaches the program: `decap` works alone, and the status says so', async () => {
  await using net = new Internet();
  const { client, address } = await start(net, 'on');
  expect(await transfer(net.native, client, address, FEW)).toMatchObject({ whole: true });
  expect(inDriver(client)).toBe(true);
  detachXdp(client);
  expect(inDriver(client)).toBe(false);
  const before = await kernelPathOf(client, 'client');
  expect(before.uplinks).toMatchObject([
    { xdp: false, withoutXdp: 'another process has detached the program, or the interface has gone' },
  ]);
  expect(await transfer(net.native, client, address, FEW)).toMatchObject({ whole: true });
  const { counters } = await kernelPathOf(client, 'client');
  expect(counters!['inDriver']).toBe(before.counters!['inDriver']);
  expect(counters!['carriedIn']! - before.counters!['carriedIn']!).toBeGreaterThan(MOST_OF_FEW);
});

test('a killed client leaves no program in the driver', async () => {
  await using net = new Internet();
  const { client, running } = await start(net, 'on');
  expect(inDriver(client)).toBe(true);
  running.kill('SIGKILL');
  await until('the end of the program', () => !inDriver(client) || undefined, 5_000);
});

test('IPv6 from the link itself does not get into the tunnel', async () => {
  await using net = new Internet();
  const { client, nat, address } = await start(net, 'on');
  countPackets(client, 'ip6 saddr 2001:db8:99::1');
  const [, mac] = /link\/ether (\S+)/.exec(client.ip('link', 'show', 'eth'))!;
  const device = /dev (\S+)/.exec(nat.ip('route', 'get', '10.1.0.2'))![1]!;
  nat.ip('address', 'add', '2001:db8:99::1/64', 'dev', device, 'nodad');
  for (const to of [mac!, '00:00:00:00:00:00']) {
    const received = receivedBy(client);
    nat.ip('neighbour', 'replace', 'fe80::99', 'lladdr', to, 'dev', device, 'nud', 'permanent');
    nat.ip('-6', 'route', 'replace', address, 'via', 'fe80::99', 'dev', device, 'onlink');
    nat.spawn('ping', ['-6', '-n', '-c', '3', '-i', '0.1', '-w', '1', address]);
    await until('packets from the link', () => receivedBy(client) >= received + 3 || undefined);
  }
  expect(mergedPackets(client)).toBe(0);
});

test('datagrams whose checksum is still to be made, and a native side that makes them: the octets are right', async () => {
  await using net = new Internet();
  const { client } = await start(net, 'on', 'user');
  // The kernel itself sums what leaves there, at the place that a packet's mark names.
  set(net.relay, 'v6', 'tx', 'off');
  const send = async (): Promise<number> => {
    const before = (await kernelPathOf(net.relay, 'relay')).counters!;
    expect(await transfer(client, net.native, NATIVE_ADDRESS, FEW)).toMatchObject({ whole: true });
    const { counters } = await kernelPathOf(net.relay, 'relay');
    expect(counters!['carriedIn']! - before['carriedIn']!).toBeGreaterThan(MOST_OF_FEW / 2);
    return counters!['inDriver']! - before['inDriver']!;
  };
  // The socket's datagrams come with such checksums, over virtual links.
  expect(await send()).toBeLessThan(5);
  set(client, 'eth', 'tx', 'off');
  expect(await send()).toBeGreaterThan(MOST_OF_FEW / 2);
  expect(wrongSums(net.native)).toBe(0);
});

test('a restart leaves the program in the driver to the next process', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  for (const role of ['client', 'relay'] as const)
    set(role === 'client' ? client : net.relay, UPLINK[role], 'gro', 'on');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await ManagedRole.start(net.relay, 'relay', ['--address', RELAY_ADDRESS, ...KERNEL, 'on']);
  await startClient(client, SERVER_ADDRESS, ...KERNEL, 'on');
  await teredoAddress(client);
  await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  const link = xdpLink(net.relay);
  const whole = transfer(client, net.native, NATIVE_ADDRESS, 200_000_000);
  await relay.restart();
  expect(xdpLink(net.relay)).toBe(link);
  expect(await whole).toMatchObject({ whole: true });
  const { counters, uplinks } = await kernelPathOf(net.relay, 'relay');
  expect(uplinks).toMatchObject([{ xdp: true }]);
  expect(counters!['inDriver']).toBeGreaterThan(1_000);
  await relay.stop();
  await until(
    'the end of the program',
    () => !net.relay.ip('link', 'show', 'wan').includes('prog/xdp') || undefined,
  );
});

function set(host: Namespace, device: string, ...features: string[]): void {
  host.execute('ethtool', '-K', device, ...features);
}

async function kernelPathOf(host: Namespace, role: Role): Promise<DataPath> {
  return (await statusOf(host, role))!['dataPath'] as DataPath;
}

function inDriver(client: Namespace): boolean {
  return client.ip('link', 'show', 'eth').includes('prog/xdp');
}

/** The kernel's number of the link by which a host's program is in a driver. */
function xdpLink(host: Namespace): string {
  const device = host.ip('-d', 'link', 'show').match(/prog\/xdp id (\d+)/)!;
  const links = JSON.parse(host.execute('bpftool', '-j', 'link', 'show')) as {
    id: number;
    prog_id: number;
  }[];
  return String(links.find(({ prog_id }) => prog_id === Number(device[1]))!.id);
}

function detachXdp(host: Namespace): void {
  host.execute('bpftool', 'link', 'detach', 'id', xdpLink(host));
}

/** Counts the packets that come out of the tunnel, merged ones as one. */
function countPackets(host: Namespace, which = ''): void {
  host.execute('nft', 'add table ip6 merged');
  host.execute('nft', 'add chain ip6 merged in { type filter hook prerouting priority -300; }');
  host.execute('nft', `add rule ip6 merged in iifname teredo ${which} counter`);
}

function mergedPackets(host: Namespace): number {
  return Number(/packets (\d+)/.exec(host.execute('nft', 'list table ip6 merged'))![1]);
}

/** The number of frames at a client's uplink. */
function receivedBy(client: Namespace): number {
  const [link] = JSON.parse(client.ip('-s', '-j', 'link', 'show', 'eth')) as {
    stats64: { rx: { packets: number } };
  }[];
  return link!.stats64.rx.packets;
}

/** TCP segments with a wrong checksum. */
function wrongSums(host: Namespace): number {
  const [names, values] = host
    .execute('cat', '/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('InCsumErrors')]);
}
