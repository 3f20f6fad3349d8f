/** Segments merged behind the program at tc, in a pair of virtual interfaces: adr/0036. */
import { readFileSync, readdirSync } from 'node:fs';
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
import { QUEUES } from '../../src/io/kernel-path/merging.ts';
import { MAX_PAIR_QUEUES, PAIR_QUEUE, UNIT_SHIFT } from '../../src/linux/bpf/layout.ts';
import { proveKernelPath } from '../support/carried.ts';
import { monotonic } from '../support/carrying-programs.ts';
import { IS_ALL } from '../support/extent.ts';
import { PROGRAM, startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';

const BYTES = 20_000_000;
const FEW = 2_000_000;
/** Segments that go through the pair while a packet seems to wait there: 3 s at most, and until the pair is empty once. */
const SUPERS_AT_LEAST = 1_000;
const ROUNDS = 10;
const AHEAD_MS = 60_000;
const KERNEL = ['--data-path', 'kernel', '--xdp', 'off', '--merge'];
const UPLINK = { client: 'eth', relay: 'wan' } as const;
const FIRST_END = 'teredo-m0';
const SECOND_END = 'teredo-m1';
type Role = keyof typeof UPLINK;

interface World {
  readonly net: Internet;
  readonly client: Namespace;
  readonly running: Running;
  /** The client's. */
  readonly address: string;
}

/** Links as those of hardware: packets are merged where they come in, and sent in single ones. */
async function start(net: Internet, merge: string): Promise<World> {
  const { client } = net.site('a', 'port-restricted');
  asHardware(client, 'client');
  asHardware(net.relay, 'relay');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...KERNEL, merge);
  const running = await startClient(client, SERVER_ADDRESS, ...KERNEL, merge);
  const address = await teredoAddress(client);
  await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  return { net, client, running, address };
}

test('TCP in both directions through client and relay: the right octets, many segments in one packet, each counted, none lost', async () => {
  await using net = new Internet();
  const { client, address } = await start(net, 'auto');
  const merges = async (host: Namespace, role: Role, send: () => Promise<unknown>): Promise<void> => {
    countPackets(host);
    const before = await kernelPathOf(host, role);
    expect(before.uplinks).toMatchObject([{ interface: UPLINK[role], merging: true }]);
    expect(await send()).toMatchObject({ whole: true });
    const { counters } = await kernelPathOf(host, role);
    const [segments, octets, received] = (['inMerging', 'carriedInBytes', 'carriedIn'] as const).map(
      (name) => counters![name]! - before.counters![name]!,
    );
    // 60 octets of headers, and those of TCP's timestamps.
    expect(octets).toBeGreaterThan(BYTES + 72 * Math.ceil(BYTES / 1_208) - 1);
    expect(segments).toBeGreaterThan(BYTES / 1_220);
    expect(received! - segments!).toBeLessThan(segments! / 20);
    expect(segments! / mergedPackets(host)).toBeGreaterThan(4);
    expect(counters!['mergingLost']).toBe(0);
    expect(lostAt(host)).toBe(0);
  };
  await merges(client, 'client', () => transfer(net.native, client, address, BYTES));
  await merges(net.relay, 'relay', () => transfer(client, net.native, NATIVE_ADDRESS, BYTES));
});

test.runIf(IS_ALL)('it is off when that is wished, and there is a reason; there is no pair', async () => {
  await using net = new Internet();
  const { client, address } = await start(net, 'off');
  expect(await transfer(net.native, client, address, FEW)).toMatchObject({ whole: true });
  const { counters, uplinks } = await kernelPathOf(client, 'client');
  expect(uplinks).toMatchObject([{ merging: false, withoutMerging: 'switched off' }]);
  expect(counters!['inMerging']).toBe(0);
  expect(hasPair(client)).toBe(false);
});

test('a relay whose native side takes only single packets: by itself it merges nothing', async () => {
  await using net = new Internet();
  net.relay.execute('ethtool', '-K', 'v6', 'tso', 'off');
  await start(net, 'auto');
  expect((await kernelPathOf(net.relay, 'relay')).uplinks).toMatchObject([
    {
      merging: false,
      withoutMerging: 'at v6 the kernel would cut merged packets again (tcp-segmentation-offload)',
    },
  ]);
  expect(hasPair(net.relay)).toBe(false);
});

test('the pair has no address and no route; it ends with the program, or is used by the next one after a kill', async () => {
  await using net = new Internet();
  const { client, running } = await start(net, 'auto');
  expect(client.ip('address', 'show', 'dev', FIRST_END)).not.toContain('inet');
  expect(client.ip('address', 'show', 'dev', SECOND_END)).not.toContain('inet');
  expect(client.ip('-6', 'route', 'show', 'table', 'all')).not.toContain(FIRST_END);
  const index = indexOf(client);
  running.kill('SIGKILL');
  await running.exited;
  expect(indexOf(client)).toBe(index);
  const next = await startClient(client, SERVER_ADDRESS, ...KERNEL, 'auto');
  const address = await teredoAddress(client);
  await proveKernelPath(client, NATIVE_ADDRESS);
  expect(await transfer(net.native, client, address, FEW)).toMatchObject({ whole: true });
  const { counters } = await kernelPathOf(client, 'client');
  expect(counters!['inMerging']).toBeGreaterThan(FEW / 1_220);
  expect(indexOf(client)).toBe(index);
  await next.stop();
  expect(hasPair(client)).toBe(false);
});

test('teredo exec as root leaves the pair of a running client as it is; after a kill the next client removes it on the user path, and no other interface', async () => {
  await using net = new Internet();
  const { client, running } = await start(net, 'auto');
  const index = indexOf(client);
  const guest = [PROGRAM, 'exec', '--server', SERVER_ADDRESS, '--', 'ping', '-c', '1', NATIVE_ADDRESS];
  const ping = client.spawn(process.execPath, guest);
  expect(await ping.exited, ping.output).toBe(0);
  expect(indexOf(client)).toBe(index);
  client.ip('link', 'add', 'teredo-m7', 'type', 'veth', 'peer', 'name', 'teredo-m8');
  running.kill('SIGKILL');
  await running.exited;
  expect(hasPair(client)).toBe(true);
  await startClient(client, SERVER_ADDRESS, '--data-path', 'user');
  const left = links(client).map(({ ifname }) => ifname);
  expect(left.filter((name) => name.startsWith('teredo'))).toEqual(['teredo-m8', 'teredo-m7', 'teredo']);
});

test.runIf(IS_ALL)(
  'super-packets behind a packet that waits: each of their segments is counted once, and none overtakes another one',
  async () => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'kernel', '--merge', 'off');
    const running = await startClient(client, SERVER_ADDRESS, ...KERNEL, 'on');
    const address = await teredoAddress(client);
    await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
    for (let round = 1; ; round++) {
      const before = await kernelPathOf(client, 'client');
      const outOfOrder = lateSegments(client);
      const planted = waitInEachQueue(client, running.child.pid!);
      expect(await transfer(net.native, client, address, BYTES)).toMatchObject({ whole: true });
      expect(lateSegments(client)).toBe(outOfOrder);
      // Those that seem to wait are lost at the second look. No other packet is.
      const lost = before.counters!['mergingLost']! + planted;
      const { counters } = await until('the end of the waiting', async () => {
        const now = await kernelPathOf(client, 'client');
        return now.counters!['mergingLost']! >= lost ? now : undefined;
      });
      expect(counters!['mergingLost']).toBe(lost);
      // On a busy machine they may be lost before the first segment has come.
      if (counters!['inMerging']! - before.counters!['inMerging']! > SUPERS_AT_LEAST) break;
      expect(round).toBeLessThan(ROUNDS);
    }
  },
);

test.runIf(IS_ALL)(
  'a restart: the next process makes another pair; after a kill it uses the same one; TCP goes on, and in the end there is none',
  async () => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    asHardware(client, 'client');
    asHardware(net.relay, 'relay');
    await startServer(net.server, SERVER_ADDRESS);
    const args = ['--address', RELAY_ADDRESS, ...KERNEL, 'auto'];
    const relay = await ManagedRole.start(net.relay, 'relay', args);
    await startClient(client, SERVER_ADDRESS, ...KERNEL, 'auto');
    await teredoAddress(client);
    await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
    const goesOn = async (begin: () => Promise<void>): Promise<void> => {
      const whole = transfer(client, net.native, NATIVE_ADDRESS, 200_000_000);
      await begin();
      expect(await whole).toMatchObject({ whole: true });
      await until('merged segments', async () => {
        const { counters } = await kernelPathOf(net.relay, 'relay');
        expect(counters!['mergingLost']).toBe(0);
        if (counters!['inMerging']! > 1_000) return true;
        return (await transfer(client, net.native, NATIVE_ADDRESS, FEW)).whole ? undefined : true;
      });
    };
    const before = indexOf(net.relay);
    await goesOn(() => relay.restart());
    const after = indexOf(net.relay);
    expect(after).not.toBe(before);
    await goesOn(() => relay.kill());
    expect(indexOf(net.relay)).toBe(after);
    await relay.stop();
    await until('the end of the pair', () => !hasPair(net.relay) || undefined);
  },
);

const BREAKS: readonly (readonly [string, (host: Namespace, pid: number) => unknown])[] = [
  ['removes the pair', (host) => host.ip('link', 'delete', FIRST_END)],
  ['takes the first end down', (host) => host.ip('link', 'set', FIRST_END, 'down')],
  ['takes the second end down', (host) => host.ip('link', 'set', SECOND_END, 'down')],
  ['detaches the program', detachMerged],
];

test('another process breaks the pair: TCP goes on, and after seconds segments are merged again', async () => {
  await using net = new Internet();
  const { client, address, running } = await start(net, 'auto');
  const mergedOnes = async (): Promise<number> =>
    (await kernelPathOf(client, 'client')).counters!['inMerging']!;
  for (const [what, breakIt] of IS_ALL ? BREAKS : BREAKS.slice(0, 1)) {
    const whole = transfer(net.native, client, address, 100_000_000);
    const before = await mergedOnes();
    await until('segments in the pair', async () => (await mergedOnes()) > before + 100 || undefined);
    breakIt(client, running.child.pid!);
    expect(await whole, what).toMatchObject({ whole: true });
    await until(`merging after a process ${what}`, async () => {
      const before = await mergedOnes();
      await transfer(net.native, client, address, FEW);
      return (await mergedOnes()) > before + FEW / 1_220 || undefined;
    });
  }
  expect((await kernelPathOf(client, 'client')).uplinks).toMatchObject([{ merging: true }]);
});

/** Segments of TCP that came before one with a lower sequence number. */
function lateSegments(host: Namespace): number {
  const [names, values] = host
    .execute('cat', '/proc/net/netstat')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('TCPOFOQueue')]);
}

/** Lets a packet seem to wait in each queue of the pair, so that all others go through it. Returns how many. */
function waitInEachQueue(host: Namespace, pid: number): number {
  const map = readdirSync(`/proc/${pid}/fdinfo`)
    .map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
    .find(
      (info) =>
        new RegExp(`^value_size:\\s+${PAIR_QUEUE.SIZE}$`, 'm').test(info) &&
        new RegExp(`^max_entries:\\s+${MAX_PAIR_QUEUES}$`, 'm').test(info),
    )!;
  const id = /^map_id:\s+(\d+)$/m.exec(map)![1]!;
  for (let queue = 0; queue < QUEUES; queue++) {
    const key = ['key', 'hex', ...octetsOf(Uint8Array.of(queue, 0, 0, 0))];
    const shown = host.execute('bpftool', '-j', 'map', 'lookup', 'id', id, ...key);
    const value = Uint8Array.from((JSON.parse(shown) as { value: string[] }).value, Number);
    const view = new DataView(value.buffer);
    view.setUint32(PAIR_QUEUE.sent, view.getUint32(PAIR_QUEUE.sent, true) + 1, true);
    // In the future: the pair is not seen to be stuck, however slow the machine is.
    const ahead = Math.floor(((monotonic() + AHEAD_MS) * 1e6) / 2 ** UNIT_SHIFT) >>> 0;
    for (const at of [PAIR_QUEUE.sentAt, PAIR_QUEUE.arrivedAt]) view.setUint32(at, ahead, true);
    host.execute('bpftool', 'map', 'update', 'id', id, ...key, 'value', 'hex', ...octetsOf(value));
  }
  return QUEUES;
}

function octetsOf(octets: Uint8Array): string[] {
  return [...octets].map((octet) => octet.toString(16).padStart(2, '0'));
}

function asHardware(host: Namespace, role: Role): void {
  host.execute('ethtool', '-K', UPLINK[role], 'gro', 'on', 'tso', 'off');
}

async function kernelPathOf(host: Namespace, role: Role): Promise<DataPath> {
  return (await statusOf(host, role))!['dataPath'] as DataPath;
}

interface Shown {
  readonly ifindex: number;
  readonly ifname: string;
  readonly stats64: { readonly tx: { readonly dropped: number } };
}

function links(host: Namespace): Shown[] {
  return JSON.parse(host.ip('-s', '-j', 'link', 'show')) as Shown[];
}

function hasPair(host: Namespace): boolean {
  return links(host).some(({ ifname }) => ifname === FIRST_END);
}

/** Of the first end. */
function indexOf(host: Namespace): number {
  return links(host).find(({ ifname }) => ifname === FIRST_END)!.ifindex;
}

/** Detaches the program at the second end. Of each link the kernel shows to which interface it belongs. */
function detachMerged(host: Namespace, pid: number): void {
  const index = links(host).find(({ ifname }) => ifname === SECOND_END)!.ifindex;
  const infos = readdirSync(`/proc/${pid}/fdinfo`).map((fd) =>
    readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'),
  );
  const info = infos.find((one) => new RegExp(`^ifindex:\\s+${index}$`, 'm').test(one))!;
  host.execute('bpftool', 'link', 'detach', 'id', /^link_id:\s+(\d+)$/m.exec(info)![1]!);
}

/** Packets for which there was no room in the pair. */
function lostAt(host: Namespace): number {
  return links(host).find(({ ifname }) => ifname === FIRST_END)!.stats64.tx.dropped;
}

/** Counts the packets that come out of the tunnel, merged ones as one. */
function countPackets(host: Namespace): void {
  host.execute('nft', 'add table ip6 merged');
  host.execute('nft', 'add chain ip6 merged in { type filter hook prerouting priority -300; }');
  host.execute('nft', 'add rule ip6 merged in iifname teredo counter');
}

function mergedPackets(host: Namespace): number {
  return Number(/packets (\d+)/.exec(host.execute('nft', 'list table ip6 merged'))![1]);
}
