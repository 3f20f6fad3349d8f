/** Uplinks without an Ethernet header: tunnels and PPP. Packets are carried there, and arrive whole. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { UplinkStatus } from '../../src/control/status.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { IS_ALL } from '../support/extent.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 2_000_000;
/** The number of packets that most of this many bytes take. */
const MOST = 1_200;
/** The ends of the link, and the addresses of the network below it. */
const [NEAR, FAR, NEAR_BELOW, FAR_BELOW] = ['10.77.0.2', '10.77.0.1', '10.78.0.2', '10.78.0.1'];

/** Makes a link `uplink` between a client and its NAT. */
type Lay = (net: Internet, client: Namespace, nat: Namespace) => Promise<void> | void;

const KINDS: Readonly<Record<string, Lay>> = {
  tun: async (_, client, nat) => {
    const program = fileURLToPath(new URL('../support/wire.py', import.meta.url));
    const ends = [client.name, 'uplink', nat.name, 'uplink', join(newFolder(), 'packets'), 'tun'];
    await client.spawn('python3', [program, ...ends]).waitFor(/capture 0/);
  },
  ipip: (net, client, nat) => layTunnel(net, client, nat, 'ipip'),
  gre: (net, client, nat) => layTunnel(net, client, nat, 'gre'),
  wireguard: (net, client, nat) => {
    layBelow(net, client, nat);
    const folder = newFolder();
    const keys = [client, nat].map((host, i) => {
      const file = join(folder, String(i));
      const text = host.execute('sh', '-c', `umask 077; wg genkey > ${file}; wg pubkey < ${file}`);
      return { file, publicKey: text.trim() };
    });
    for (const [i, host] of [client, nat].entries()) {
      const other = keys[1 - i]!.publicKey;
      host.ip('link', 'add', 'uplink', 'type', 'wireguard');
      const peer = [
        'peer',
        other,
        'allowed-ips',
        '0.0.0.0/0',
        'endpoint',
        `${i === 0 ? FAR_BELOW : NEAR_BELOW}:51820`,
      ];
      host.execute('wg', 'set', 'uplink', 'listen-port', '51820', 'private-key', keys[i]!.file, ...peer);
    }
  },
  ppp: async (_, client, nat) => {
    const options = [...PPP, 'local'];
    const far = `ip netns exec ${nat.name} pppd notty ${options.join(' ')} ${FAR}:${NEAR}`;
    client.spawn('pppd', ['pty', far, ...options, `${NEAR}:${FAR}`]);
    await isUp(client);
  },
  pppoe: async (net, client, nat) => {
    net.lab.wire(client, 'below', [], nat, 'below', []);
    // A session that both know already, so there is no search for an access concentrator.
    const join = (host: Namespace, other: Namespace, addresses: string): void => {
      const session = ['plugin', 'pppoe.so', 'nic-below', 'pppoe-sess', `7:${ethernetOf(other)}`];
      host.spawn('pppd', [...session, ...PPP, addresses]);
    };
    join(nat, client, `${FAR}:${NEAR}`);
    join(client, nat, `${NEAR}:${FAR}`);
    await isUp(client);
  },
};

const PPP =
  'noauth nodetach nodefaultroute noipv6 nopersist mtu 1492 mru 1492 ifname uplink lcp-echo-interval 0'.split(
    ' ',
  );

/** With the pair the programs give each packet the header that it needs there. */
const CASES = Object.entries(KINDS).flatMap(([kind, lay], i) =>
  (IS_ALL ? [true, false] : [i % 2 === 0]).map((merges) => ({ kind, lay, merges })),
);

test.for(CASES)('$kind, segments are merged: $merges', async ({ kind, lay, merges }, { skip }) => {
  await using net = new Internet();
  skip(
    !hasKind(net.backbone, kind),
    `this kernel has no interfaces of the kind ${kind}, or its program is missing`,
  );
  const site = net.site('a', 'port-restricted');
  const client = net.lab.host('up');
  await lay(net, client, site.nat);
  if (!kind.startsWith('ppp'))
    for (const [host, own, other] of [
      [client, NEAR, FAR],
      [site.nat, FAR, NEAR],
    ] as const)
      host.ipBatch(`address add ${own} peer ${other}/32 dev uplink`, 'link set uplink up');
  client.ip('route', 'add', 'default', 'dev', 'uplink');
  // Otherwise super-packets come in on these virtual links, and need no merging.
  if (merges) net.relay.execute('ethtool', '-K', 'wan', 'tso', 'off');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'kernel');
  await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel', '--merge', merges ? 'on' : 'off');
  const own = await teredoAddress(client);
  await proveKernelPath(client, NATIVE_ADDRESS);
  const before = (await dataPathOf(client)).counters;
  expect(await transfer(client, net.native, NATIVE_ADDRESS, BYTES)).toMatchObject({ whole: true });
  expect(await transfer(net.native, client, own, BYTES)).toMatchObject({ whole: true });
  const { uplinks, counters } = await dataPathOf(client);
  expect(uplinks).toMatchObject([
    { interface: 'uplink', kind: kind === 'pppoe' ? 'ppp' : kind, merging: merges },
  ]);
  const gained = (name: string): number => counters[name]! - before[name]!;
  expect(gained('carriedIn')).toBeGreaterThan(MOST);
  expect(gained('inMerging') > MOST).toBe(merges);
  expect(gained('mergingLost')).toBe(0);
  if (uplinks![0]!.carried === 'all') expect(gained('carriedOut')).toBeGreaterThan(MOST);
  else {
    // For these the kernel cuts a tunnel's super-packets, but not those of a socket.
    expect(['ipip', 'gre']).toContain(kind);
    expect(gained('outBulk')).toBeGreaterThan(0);
    expect(gained('carriedOut')).toBeGreaterThan(0);
  }
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-bare-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The network that packets of a tunnel cross. */
function layBelow(net: Internet, client: Namespace, nat: Namespace): void {
  net.lab.wire(client, 'below', [`${NEAR_BELOW}/24`], nat, 'below', [`${FAR_BELOW}/24`]);
}

function layTunnel(net: Internet, client: Namespace, nat: Namespace, kind: string): void {
  layBelow(net, client, nat);
  client.ip('link', 'add', 'uplink', 'type', kind, 'local', NEAR_BELOW, 'remote', FAR_BELOW);
  nat.ip('link', 'add', 'uplink', 'type', kind, 'local', FAR_BELOW, 'remote', NEAR_BELOW);
}

async function isUp(client: Namespace): Promise<void> {
  await until('the PPP link', () => /UP/.test(linkOf(client)) || undefined);
}

function ethernetOf(host: Namespace): string {
  const [link] = JSON.parse(host.ip('-j', 'link', 'show', 'below')) as { address: string }[];
  return link!.address;
}

function linkOf(host: Namespace): string {
  try {
    return host.ip('link', 'show', 'uplink');
  } catch {
    return '';
  }
}

function hasKind(host: Namespace, kind: string): boolean {
  if (kind === 'tun') return true;
  const type = [
    'type',
    kind,
    ...(kind === 'ipip' || kind === 'gre' ? ['local', '10.0.0.1', 'remote', '10.0.0.2'] : []),
  ];
  try {
    if (kind === 'wireguard') host.execute('wg', '--version');
    if (kind.startsWith('ppp')) host.execute('sh', '-c', 'command -v pppd && test -c /dev/ppp');
    if (kind === 'pppoe') host.execute('python3', '-c', 'import socket; socket.socket(24, 1, 0)');
    if (kind.startsWith('ppp')) return true;
    host.ip('link', 'add', 'probed', ...type);
    host.ip('link', 'del', 'probed');
    return true;
  } catch {
    return false;
  }
}

interface Path {
  readonly uplinks?: readonly UplinkStatus[];
  readonly counters: Readonly<Record<string, number>>;
}

async function dataPathOf(host: Namespace): Promise<Path> {
  return (await statusOf(host, 'client'))!['dataPath'] as Path;
}
