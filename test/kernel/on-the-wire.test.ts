/**
 * Packets of an uplink as a link sees them: none is larger than the uplink's MTU, every checksum is right, whether or not the host leaves
 * segmentation and checksums to the interface. tshark decides.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
} from '../../src/lab/index.ts';
import type { Namespace, Running, Site } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { DATA_PATH, peersOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

const WIRE = fileURLToPath(new URL('../support/wire.py', import.meta.url));
const BYTES = 500_000;
const ETHERNET = 14;
/**
 * tshark's verdict on each sum: 0 is bad. It also calls a TCP sum of 0xffff bad, for which it would write 0. Both are equivalent (RFC
 * 1624), and Linux writes 0xffff: one frame in 65,536.
 */
const SUMS = ['ip', 'udp', 'tcp', 'icmpv6'].map((protocol) => `${protocol}.checksum.status`); // as isBad() has them
/** Description of a bad frame, for the search for its cause. */
const DETAILS = ['tcp.checksum', 'ip.src', 'ip.dst', 'tcp.flags.str', 'tcp.len'];
/** 1 in each fragment but the last. There should be none: DF is set, and no packet is so large. */
const FRAGMENTS = ['ip.flags.mf'];

interface Setting {
  readonly mtu: number;
  readonly cutting: 'on' | 'off';
}

/** All combinations take too long for the default run: two uplinks cover all pairs with two settings each. */
const SETTINGS: readonly Setting[] = [
  { mtu: 1_500, cutting: 'on' },
  { mtu: 1_400, cutting: 'off' },
  { mtu: 1_500, cutting: 'off' },
  { mtu: 1_400, cutting: 'on' },
];

/** How the client's uplink is connected to the link: the interfaces whose settings change, and where the TAP is. */
interface Uplink {
  readonly settings: readonly Setting[];
  readonly links: readonly string[];
  readonly connect: (net: Internet, client: Namespace, address: string) => Namespace;
}

const UPLINKS: Record<string, Uplink> = {
  'a veth': {
    settings: IS_ALL ? SETTINGS : SETTINGS.slice(0, 2),
    links: ['eth'],
    connect: (net, client, address) => {
      const cut = net.lab.switch('cut');
      net.lab.connect(client, 'eth', cut, address);
      return cut;
    },
  },
  'a bridge with a TAP in it': {
    settings: IS_ALL ? SETTINGS : SETTINGS.slice(2),
    links: ['bridge', 'tap'],
    connect: (_net, client, address) => {
      client.ipBatch(
        'link add bridge type bridge forward_delay 0',
        `address add ${address} dev bridge`,
        'link set bridge up',
      );
      return client;
    },
  },
};

test.each(Object.entries(UPLINKS))('through %s', async (_, { settings, links, connect }) => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const client = net.lab.host('on-wire');
  const tapAt = connect(net, client, `${site.network}.9/24`);
  const capture = join(mkdtempSync(join(tmpdir(), 'teredo-wire-')), 'frames');
  onTestFinished(() => rmSync(join(capture, '..'), { recursive: true }));
  const wire = await layWire(site, tapAt, capture);
  client.ip('route', 'add', 'default', 'via', `${site.network}.1`);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(client, SERVER_ADDRESS);
  const own = await teredoAddress(client);
  for (const [i, { mtu, cutting }] of settings.entries()) {
    for (const link of links) {
      client.ip('link', 'set', link, 'mtu', String(mtu));
      client.execute('ethtool', '-K', link, 'tso', cutting, 'gso', cutting);
    }
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
    expect(await transfer(client, net.native, NATIVE_ADDRESS, BYTES)).toMatchObject({ whole: true });
    expect(await transfer(net.native, client, own, BYTES)).toMatchObject({ whole: true });
    wire.kill('SIGUSR1');
    await wire.waitFor(new RegExp(`capture ${i + 1}`));
    const frames = judge(`${capture}.${i}`);
    const setting = `MTU ${mtu}, cutting ${cutting}`;
    expect(frames.bad, setting).toEqual([]);
    expect(frames.longest, setting).toBeLessThanOrEqual(mtu + ETHERNET);
    expect(frames.segments, setting).toBeGreaterThan((2 * BYTES) / 1_300);
  }
  const { peers } = await peersOf(client, 'client');
  expect(peers.some(({ offloaded }) => offloaded)).toBe(DATA_PATH === 'kernel');
});

/** From the namespace's bridge to the site's LAN. */
async function layWire(site: Site, from: Namespace, capture: string): Promise<Running> {
  const wire = from.spawn('python3', [WIRE, from.name, 'tap', site.lan.name, 'tap', capture]);
  await wire.waitFor(/capture 0/);
  for (const end of [from, site.lan]) end.ipBatch('link set tap master bridge', 'link set tap up');
  return wire;
}

/** tshark's output on a capture; it recognises the datagrams as Teredo by their form, also where a port is another protocol's. */
function judge(file: string): { bad: string[]; longest: number; segments: number } {
  const summing = ['ip', 'udp', 'tcp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`]);
  const columns = ['frame.number', 'frame.len', 'ipv6.nxt', ...SUMS, ...FRAGMENTS, ...DETAILS].flatMap(
    (field) => ['-e', field],
  );
  const { stdout, stderr, status } = spawnSync(
    'tshark',
    [
      '-r',
      file,
      ...summing,
      '-o',
      'udp.try_heuristic_first:TRUE',
      '--enable-heuristic',
      'teredo_udp',
      '-T',
      'fields',
      ...columns,
    ],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (status !== 0) throw new Error(stderr);
  const frames = stdout
    .replace(/\n$/, '') // tabs stay: the last columns may be empty
    .split('\n')
    .map((line) => line.split('\t'));
  return {
    // With two headers of a kind both are listed: "1,0".
    bad: frames.filter(([, , , ...marks]) => isBad(marks)).map((frame) => frame.join(' ')),
    longest: Math.max(...frames.map(([, length]) => Number(length))),
    segments: frames.filter(([, , next, , , tcp]) => next === '6' && tcp === '1').length,
  };
}

function isBad([ip, udp, tcp, icmpv6, fragment, tcpSum]: readonly string[]): boolean {
  const saysBad = (mark: string): boolean => mark.split(',').includes('0');
  const isZero = tcpSum === '0xffff';
  return [ip, udp, icmpv6].some(saysBad) || (saysBad(tcp) && !isZero) || fragment.split(',').includes('1');
}
