/**
 * Packets of the kernel path take another way through the host than those of the socket, and may look different. If they do not arrive, for
 * whatever reason, at either end, no packet of a peer is sent by the kernel path: the process carries them.
 */
import { describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace, Site } from '../../src/lab/index.ts';
import { everyNth } from '../support/extent.ts';
import { finishPackets, linksOf } from '../support/links.ts';
import {
  peersOf,
  startClient,
  startHostRelay,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

const AUTO = ['--data-path', 'auto'];
const PINGS = 60;
/** The pings; less than 3 % of them may be lost. */
const MOST_LOST = 1;
/** Counted from the first answer. */
const AFTER_MS = 3_000;

/** Drops datagrams of the kernel path without a checksum, as translators between IPv4 and IPv6 do. RFC 7915 section 4.5 */
function dropUnsummed(host: Namespace): void {
  host.nft(`table ip unsummed {
    chain forward { type filter hook forward priority 0; udp checksum 0 drop; }
    chain input { type filter hook prerouting priority -300; udp checksum 0 drop; }
  }`);
}

/** The same at the end of a link, without forwarding. */
function dropUnsummedAt(host: Namespace, name: string): void {
  host.nft(`table netdev unsummed {
    chain ingress { type filter hook ingress device "${name}" priority -500; udp checksum 0 drop; }
  }`);
}

/** Datagrams of sockets leave from another address. */
function translate(host: Namespace, name: string, statement: string): void {
  host.nft(`table ip moved {
    chain postrouting { type nat hook postrouting priority 100; oifname "${name}" ip protocol udp ${statement}; }
  }`);
}

/** Marked datagrams have their own routing table, and those of sockets are marked. The main table's gateway is a host that accepts none. */
function routeByMark(host: Namespace, name: string, network: string): void {
  host.ipBatch(
    `route add default via ${network}.1 table 77`,
    'rule add fwmark 7 lookup 77',
    `route replace default via ${network}.250`,
    `neighbour replace ${network}.250 lladdr 02:00:00:00:00:fa dev ${name}`,
  );
  host.nft(`table ip marked {
    chain output { type route hook output priority 0; meta l4proto udp meta mark set 7; }
  }`);
}

/** A path in use is proven again every 10 s; a failure takes 2 s more. */
const BROKEN_MS = 15_000;

interface World {
  readonly net: Internet;
  readonly a: Site;
  readonly b: Site;
}

const CAUSES: readonly [string, (world: World) => void][] = [
  ["a's NAT drops datagrams without a checksum", ({ a }) => dropUnsummed(a.nat)],
  [
    'both NATs do',
    ({ a, b }) => {
      dropUnsummed(a.nat);
      dropUnsummed(b.nat);
    },
  ],
  [
    "the relay's link drops arriving datagrams without a checksum",
    ({ net }) => dropUnsummedAt(net.relay, 'wan'),
  ],
  [
    "a's host gives its datagrams random ports",
    ({ a }) => translate(a.client, 'eth', 'masquerade fully-random'),
  ],
  ["a's host drops datagrams without a checksum", ({ a }) => dropUnsummed(a.client)],
  ["the relay's host drops them", ({ net }) => dropUnsummed(net.relay)],
  [
    "a's host routes by marks, and marks datagrams of sockets",
    ({ a }) => routeByMark(a.client, 'eth', a.network),
  ],
];

describe.each(everyNth(5, CAUSES))('%s', (_cause, set) => {
  test('of the pings between a native host and a client, and between clients, at most one is lost', async () => {
    await using net = new Internet();
    const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
    set({ net, a, b });
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS, ...AUTO);
    const [addressA, addressB] = [await client(a), await client(b)];
    expect(
      await lost([
        [a.client, NATIVE_ADDRESS],
        [net.native, addressA],
        [a.client, addressB],
        [b.client, addressA],
      ]),
    ).toBeLessThanOrEqual(MOST_LOST);
    // Carried by the process or by the kernel, but not because the kernel path was never tried.
    const { counters } = (await statusOf(a.client, 'client'))!['dataPath'] as {
      counters: Record<string, number>;
    };
    expect(counters['proofsSent']).toBeGreaterThan(0);
  });
});

test('a path that breaks while the peer continues to send: noticed within 15 s', async () => {
  await using net = new Internet();
  const a = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...AUTO);
  const address = await client(a);
  const pings = net.native.spawn('ping', ['-n', '-i', '0.2', address]);
  const answers = (): number => [...pings.output.matchAll(/time=/g)].length;
  await until('the kernel path', async () => {
    const { peers } = await peersOf(a.client, 'client');
    return peers.some(({ carried }) => carried === 'both') || undefined;
  });
  dropUnsummed(a.nat);
  const before = answers();
  await until('answers by the other data path', () => answers() > before + 5 || undefined, BROKEN_MS);
  await pings.stop();
});

test("host-specific relay, a client's NAT drops datagrams without a checksum: at most one ping is lost", async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  dropUnsummed(a.nat);
  await startServer(net.server, SERVER_ADDRESS);
  // The relay's host has native IPv6 and is its own relay.
  await startHostRelay(net.relay, ...AUTO);
  const [addressA, addressB] = [await client(a), await client(b)];
  const host = '2001:db8:2::1';
  const ways: [Namespace, string][] = [
    [a.client, host],
    [net.relay, addressA],
    [b.client, host],
    [net.relay, addressB],
  ];
  expect(await lost(ways)).toBeLessThanOrEqual(MOST_LOST);
});

describe('a peer whose host answers no echo request', () => {
  test('shows by TCP that the kernel path reaches it, and is carried', async () => {
    const { net, a, b, addressB } = await silentPeer(() => {});
    await using _ = net;
    await until(
      'the kernel path',
      async () => {
        expect(await transfer(a.client, b.client, addressB, 1_000_000)).toMatchObject({ whole: true });
        return (await isCarried(a, addressB)) || undefined;
      },
      30_000,
    );
  });

  test('is not carried if packets of the kernel path do not arrive: each transfer is whole', async () => {
    const { net, a, b, addressB } = await silentPeer(({ a }) => routeByMark(a.client, 'eth', a.network));
    await using _ = net;
    for (let i = 0; i < 5; i++)
      expect(await transfer(a.client, b.client, addressB, 1_000_000)).toMatchObject({ whole: true });
    await until('the end of a proof', async () => {
      const { counters } = (await statusOf(a.client, 'client'))!['dataPath'] as {
        counters: Record<string, number>;
      };
      expect(counters['proofsAnswered']).toBe(0);
      return counters['proofsFailed']! > 0 || undefined;
    });
    expect(await isCarried(a, addressB)).toBe(false);
  });

  /** b's host, on links as between machines. */
  async function silentPeer(set: (world: World) => void) {
    const net = new Internet();
    const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
    for (const host of net.lab.hosts) for (const link of linksOf(host)) finishPackets(host, link);
    b.client.nft(`table ip6 silent {
      chain input { type filter hook input priority 0; icmpv6 type echo-request drop; }
    }`);
    set({ net, a, b });
    await startServer(net.server, SERVER_ADDRESS);
    const [, addressB] = [await client(a), await client(b)];
    return { net, a, b, addressB };
  }

  async function isCarried({ client }: Site, address: string): Promise<boolean> {
    const { peers } = await peersOf(client, 'client');
    return peers.some((peer) => peer.address === address && peer.carried === 'both');
  }
});

async function client({ client }: Site): Promise<string> {
  await startClient(client, SERVER_ADDRESS, ...AUTO);
  return await teredoAddress(client);
}

/** The number of lost pings on the worst of these paths. */
async function lost(ways: readonly (readonly [Namespace, string])[]): Promise<number> {
  for (const [from, to] of ways) expect(await ping(from, to, 10_000)).toBeDefined();
  return Math.max(...(await Promise.all(ways.map(([from, to]) => lostPings(from, to)))));
}

/** How many of {@link PINGS} pings are not answered, beginning some time after the first contact. */
async function lostPings(from: Namespace, to: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, AFTER_MS));
  const running = from.spawn('ping', ['-n', '-i', '0.1', '-W', '2', '-c', String(PINGS), to]);
  await running.exited;
  return PINGS - Number(/(\d+) received/.exec(running.output)![1]);
}
