/** Two clients behind kernel NATs that lose their mappings, or that share one NAT or two: they reach each other again without a restart. */
import { expect, test } from 'vitest';
import {
  Flow,
  Internet,
  SERVER_ADDRESS,
  flushMappings,
  moveMappings,
  timeToFirstReply,
} from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace } from '../../src/lab/index.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { KINDS, limitOf } from '../support/nat-limits.ts';
import { peersOf, startClient, startServer, teredoAddress, teredoAddressNow } from '../support/roles.ts';

/** Counted from the loss, in traffic of five packets a second. */
const FOUND_MS = 5_000;

type Sides = 'the first' | 'the second' | 'both';
type Loss = 'forgets' | 'gives other ports';
/** Both ping; or the first pings and the second only answers; or neither answers. */
type Traffic = 'pings both ways' | 'pings' | 'one way';
const TRAFFICS: readonly Traffic[] = ['pings both ways', 'pings', 'one way'];
type Case = readonly [NatBehaviour, NatBehaviour, Sides, Loss, Traffic];

/** Some of each way in which a peer is reached, and of each event. */
const SOME: readonly Case[] = [
  ['port-restricted', 'port-restricted', 'both', 'forgets', 'pings'],
  ['port-restricted', 'full-cone', 'the second', 'forgets', 'pings'],
  ['address-restricted', 'address-restricted', 'the first', 'gives other ports', 'pings both ways'],
  ['address-restricted', 'symmetric-random', 'both', 'forgets', 'pings both ways'],
  ['symmetric-random', 'address-restricted', 'the first', 'forgets', 'one way'],
  ['symmetric-sequential', 'port-restricted', 'both', 'forgets', 'pings'],
  ['port-restricted', 'symmetric-sequential', 'the second', 'gives other ports', 'pings'],
  ['symmetric-sequential', 'symmetric-sequential', 'the first', 'forgets', 'pings both ways'],
  ['symmetric-random', 'port-restricted', 'the second', 'forgets', 'pings both ways'],
  ['port-restricted', 'port-restricted', 'the second', 'forgets', 'one way'],
  ['symmetric-sequential', 'symmetric-sequential', 'the second', 'forgets', 'one way'],
];

test.for(IS_ALL ? all() : everyNth(7, SOME))(
  '%s with %s: the NAT of %s %s during traffic (%s)',
  { timeout: 60_000 },
  async ([first, second, sides, loss, traffic]) => {
    await using net = new Internet();
    const [a, b] = [net.site('a', first), net.site('b', second)];
    await startServer(net.server, SERVER_ADDRESS);
    await Promise.all([a, b].map(({ client }) => startClient(client, SERVER_ADDRESS)));
    await Promise.all([a, b].map(({ client }) => teredoAddress(client)));
    const receiver = traffic === 'one way' ? b.client : undefined;
    await using there = await Flow.start(a.client, () => teredoAddressNow(b.client), receiver);
    await using back =
      traffic === 'pings both ways'
        ? await Flow.start(b.client, () => teredoAddressNow(a.client))
        : undefined;
    // A client that hears nothing asks every 3 s whether the peer is there; a loss soon after such a question takes longest.
    if (traffic === 'one way') expect(await there.found(Date.now())).toBeDefined();
    const lost = sides === 'both' ? [a, b] : [sides === 'the first' ? a : b];
    for (const { nat, options } of lost) {
      if (loss === 'forgets') flushMappings(nat);
      else moveMappings(nat, options);
    }
    const since = Date.now();
    const [found, foundBack] = await Promise.all([there.found(since), back?.found(since)]);
    expect(found, 'the first to the second').toBeLessThan(FOUND_MS);
    if (back !== undefined) expect(foundBack, 'the second to the first').toBeLessThan(FOUND_MS);
  },
);

test('a NAT that is restarted again', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'symmetric-sequential'), net.site('b', 'symmetric-sequential')];
  await startServer(net.server, SERVER_ADDRESS);
  await Promise.all([a, b].map(({ client }) => startClient(client, SERVER_ADDRESS)));
  await Promise.all([a, b].map(({ client }) => teredoAddress(client)));
  await using there = await Flow.start(a.client, () => teredoAddressNow(b.client));
  await using back = await Flow.start(b.client, () => teredoAddressNow(a.client));
  for (const time of ['once', 'twice']) {
    flushMappings(a.nat);
    const since = Date.now();
    const found = await Promise.all([there.found(since), back.found(since)]);
    for (const one of found) expect(one, time).toBeLessThan(FOUND_MS);
  }
});

function all(): Case[] {
  const pairs = KINDS.flatMap((a) => KINDS.map((b) => [a, b] as const));
  const losses = (['the first', 'the second', 'both'] as const).map((sides) => [sides, 'forgets'] as const);
  const moves = (['the first', 'the second'] as const).map((sides) => [sides, 'gives other ports'] as const);
  return pairs
    .filter(([a, b]) => limitOf(a, b) !== undefined)
    .flatMap((pair) =>
      [...losses, ...moves].flatMap((loss) =>
        TRAFFICS.map((traffic) => [...pair, ...loss, traffic] as const),
      ),
    );
}

const ARGUMENTS = [[], ['--no-local-discovery']] as const;

for (const hairpin of [true, false]) {
  const sharing = IS_ALL ? KINDS : (['port-restricted', 'symmetric-random'] as const);
  const shared = sharing.flatMap((kind) => ARGUMENTS.map((args) => [kind, args] as const));
  test.for(everyNth(4, shared))(
    `one NAT, ${hairpin ? '' : 'not '}hairpinning, %s, %j`,
    async ([kind, args]) => {
      await using net = new Internet();
      const site = net.site('a', kind, { hairpin });
      // If the NAT hairpins and is not symmetric, each knows the other's pair before it knows of the link.
      const means = hairpin && !kind.startsWith('symmetric') ? ['local', 'direct', 'nonce'] : ['local'];
      await expectNeighbours(net, site.client, net.neighbour(site), args, means);
    },
  );
}

// Both clients are on the inner NAT's LAN. They find each other by their alternate addresses, or by discovery.
test.for(ARGUMENTS.map((args) => [args] as const))('two NATs in a row, %j', async ([args]) => {
  await using net = new Internet();
  const site = net.nest(net.site('a', 'port-restricted'), 'inner', 'port-restricted');
  await expectNeighbours(net, site.client, net.neighbour(site), args, ['local']);
});

async function expectNeighbours(
  net: Internet,
  one: Namespace,
  other: Namespace,
  args: readonly string[],
  means: readonly string[],
): Promise<void> {
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(one, SERVER_ADDRESS, ...args);
  await startClient(other, SERVER_ADDRESS, ...args);
  const [first, second] = [await teredoAddress(one), await teredoAddress(other)];
  expect(await timeToFirstReply(one, second)).toBeLessThan(2_000);
  expect(await timeToFirstReply(other, first)).toBeLessThan(2_000);
  for (const [from, to] of [[one, second] as const, [other, first] as const]) {
    const { peers } = await peersOf(from, 'client');
    expect(means).toContain(peers.find(({ address }) => address === to)?.means);
  }
}
