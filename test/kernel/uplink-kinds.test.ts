/** An uplink of each kind: which packets the kernel path carries there; all packets arrive, and the status is right. */
import { expect, test } from 'vitest';
import type { UplinkStatus } from '../../src/control/status.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace, Running, Site } from '../../src/lab/index.ts';
import { descriptorTexts } from '../support/descriptor-texts.ts';
import { hasKind } from '../support/links.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 2_000_000;
/** The number of packets that most of this many bytes take. */
const MOST = 1_200;
const TAG = 'type vlan id 5';
const BULK = /^bulk data on the user path: for the bridge br0 the kernel cuts super-packets of a tunnel/;

interface Kind {
  /** The kinds that the kernel must have. */
  readonly kinds: readonly string[];
  /** The interfaces between a link's end in the client's namespace, `raw`, and the uplink, `up`; and the same at the other end, `far`. */
  readonly near: readonly string[];
  readonly far?: readonly string[];
  readonly carried: UplinkStatus['carried'];
}

const BRIDGE = [
  'link add name br0 type bridge forward_delay 0',
  'link set raw master br0',
  'link set br0 up',
];
const BOND = [
  'link add name bond0 type bond mode active-backup miimon 100',
  'link set raw down',
  'link set raw master bond0',
];
const MACVLAN = 'type macvlan mode bridge';

/** `renamed`: the final name of the uplink. */
const KINDS: Record<string, Kind & { readonly up: string }> = {
  veth: { kinds: [], near: [], up: 'raw', carried: 'all' },
  bridge: {
    kinds: [],
    near: [
      ...BRIDGE,
      'link add name other type veth peer name end',
      'link set other master br0 up',
      'link set end up',
    ],
    up: 'br0',
    carried: 'all-but-bulk',
  },
  macvlan: {
    kinds: ['macvlan'],
    near: [`link add name uplink link raw ${MACVLAN}`],
    up: 'uplink',
    carried: 'all',
  },
  'macvlan on a bridge': {
    kinds: ['macvlan'],
    near: [...BRIDGE, `link add name uplink link br0 ${MACVLAN}`],
    up: 'uplink',
    carried: 'all-but-bulk',
  },
  ipvlan: {
    kinds: ['ipvlan'],
    near: ['link add name uplink link raw type ipvlan mode l2'],
    up: 'uplink',
    carried: 'all',
  },
  VLAN: {
    kinds: ['vlan'],
    near: [`link add name uplink link raw ${TAG}`],
    far: [`link add name tagged link far ${TAG}`],
    up: 'uplink',
    carried: 'all',
  },
  'VLAN on a bridge': {
    kinds: ['vlan'],
    near: [...BRIDGE, `link add name uplink link br0 ${TAG}`],
    far: [`link add name tagged link far ${TAG}`],
    up: 'uplink',
    carried: 'all-but-bulk',
  },
  'a bridge with a VLAN in it': {
    kinds: ['vlan'],
    near: [
      `link add name tag link raw ${TAG}`,
      'link set tag up',
      ...BRIDGE.map((line) => line.replace('raw', 'tag')),
    ],
    far: [`link add name tagged link far ${TAG}`],
    up: 'br0',
    carried: 'all-but-bulk',
  },
  bond: { kinds: ['bond'], near: [...BOND, 'link set bond0 up'], up: 'bond0', carried: 'all' },
  'VLAN on a bond': {
    kinds: ['bond', 'vlan'],
    near: [...BOND, 'link set bond0 up', `link add name uplink link bond0 ${TAG}`],
    far: [`link add name tagged link far ${TAG}`],
    up: 'uplink',
    carried: 'all',
  },
};

test.for(Object.entries(KINDS))('%s', async ([, kind], { skip }) => {
  await using net = new Internet();
  const missing = kind.kinds.find((name) => !hasKind(net.backbone, name));
  skip(missing !== undefined, `this kernel has no interfaces of the kind ${missing}`);
  const site = net.site('a', 'port-restricted');
  const client = net.lab.host('up');
  lay(net, client, site, kind);
  await startRoles(net, client);
  const own = await teredoAddress(client);
  await carriesBothWays(client);
  const before = await countersOf(client);
  expect(await transfer(client, net.native, NATIVE_ADDRESS, BYTES)).toMatchObject({ whole: true });
  expect(await transfer(net.native, client, own, BYTES)).toMatchObject({ whole: true });
  const { uplinks, counters } = await dataPathOf(client);
  expect(uplinks).toEqual([
    kind.carried === 'all'
      ? expect.objectContaining({ interface: kind.up, carried: 'all' })
      : expect.objectContaining({
          interface: kind.up,
          carried: kind.carried,
          reason: expect.stringMatching(BULK),
        }),
  ]);
  const gained = (name: string): number => counters[name]! - before[name]!;
  expect(gained('carriedIn')).toBeGreaterThan(MOST);
  expect(gained('carriedOut')).toBeGreaterThan(kind.carried === 'all' ? MOST : 0);
  if (kind.carried === 'all') expect(gained('outBulk')).toBe(0);
  else expect(gained('outBulk')).toBeGreaterThan(0);
});

test('the interface becomes a port of a bridge during traffic: traffic continues, and the status is right', async () => {
  await using net = new Internet();
  const client = net.site('a', 'port-restricted').client;
  const running = await startRoles(net, client);
  await carriesBothWays(client);
  expect(programsAt(client, running, 'eth')).toBe(1);
  const [, gateway] = /default via (\S+)/.exec(client.ip('route'))!;
  const [, address] = /inet (\S+)/.exec(client.ip('-4', 'address', 'show', 'dev', 'eth'))!;
  client.ipBatch(
    'link add name br0 type bridge forward_delay 0',
    'link set eth master br0',
    'link set br0 up',
    `address add ${address} dev br0`, // the port keeps it as well: a program at both would see each packet twice
    'route del default',
    `route add default via ${gateway} dev br0`,
    `route del ${address!.replace(/\.\d+\//, '.0/')} dev eth`,
  );
  await until('the bridge', async () => {
    await ping(client, NATIVE_ADDRESS, 5_000);
    const { uplinks } = await dataPathOf(client);
    return uplinks?.some((uplink) => uplink.interface === 'br0') || undefined;
  });
  await carriesBothWays(client);
  expect(programsAt(client, running, 'br0')).toBe(1);
  expect(programsAt(client, running, 'eth')).toBe(0);
});

/** A link from the client's namespace to its site's LAN, and the interfaces between it and the uplink. */
function lay(
  net: Internet,
  client: Namespace,
  site: Site,
  { near, far = [], up }: Kind & { up: string },
): void {
  net.lab.wire(client, 'raw', [], site.lan, 'far', []);
  const port = far.length === 0 ? 'far' : 'tagged';
  site.lan.ipBatch(...far, `link set ${port} master bridge`, `link set ${port} up`);
  client.ipBatch(
    ...near,
    'link set raw up',
    `address add ${site.network}.9/24 dev ${up}`,
    `link set ${up} up`,
    `route add default via ${site.network}.1`,
  );
}

async function startRoles(net: Internet, client: Namespace): Promise<Running> {
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'kernel');
  const running = await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel');
  await teredoAddress(client);
  return running;
}

/** Pings are carried: the path has been proven. */
async function carriesBothWays(client: Namespace): Promise<void> {
  const before = await countersOf(client);
  await until('a packet that is carried each way', async () => {
    await ping(client, NATIVE_ADDRESS, 5_000);
    const { carriedOut, carriedIn } = await countersOf(client);
    return (carriedOut! > before['carriedOut']! && carriedIn! > before['carriedIn']!) || undefined;
  });
}

interface Path {
  readonly uplinks?: readonly UplinkStatus[];
  readonly counters: Readonly<Record<string, number>>;
}

async function dataPathOf(host: Namespace): Promise<Path> {
  return (await statusOf(host, 'client'))!['dataPath'] as Path;
}

async function countersOf(host: Namespace): Promise<Path['counters']> {
  return (await dataPathOf(host)).counters;
}

/** Programs of a process at ingress: by tcx, from its descriptors, or as filters. */
function programsAt(host: Namespace, { pid }: Running, name: string): number {
  const [, index] = /^(\d+):/.exec(host.ip('link', 'show', 'dev', name))!;
  const links = descriptorTexts(pid).filter(
    (text) => new RegExp(`^ifindex:\\s+${index}$`, 'm').test(text) && text.includes('ingress'),
  );
  const filters = host.execute('tc', 'filter', 'show', 'dev', name, 'ingress').matchAll(/ handle 0x/g);
  return links.length + [...filters].length;
}
