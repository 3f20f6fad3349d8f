/** Two clients behind NATs of the kernel that lose their mappings, or share one NAT or two: they reach each other, without being restarted. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, flushMappings, ping, timeToFirstReply } from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace } from '../../src/lab/index.ts';
import { peersOf, startClient, startServer, teredoAddress } from '../support/roles.ts';

/** From the first packet that is lost; and where ports are guessed anew. */
const [FOUND_MS, GUESSED_MS] = [5_000, 10_000];
const CONNECTED_MS = 10_000;

const PAIRS: readonly [NatBehaviour, NatBehaviour, number][] = [
  ['port-restricted', 'port-restricted', FOUND_MS],
  ['address-restricted', 'symmetric-random', FOUND_MS],
  ['symmetric-random', 'address-restricted', FOUND_MS],
  ['port-restricted', 'symmetric-sequential', FOUND_MS],
  ['symmetric-sequential', 'port-restricted', FOUND_MS],
  ['symmetric-sequential', 'symmetric-sequential', GUESSED_MS],
];

test.for(PAIRS)(
  '%s with %s: mappings of the first are lost in mid-traffic',
  async ([first, second, most]) => {
    await using net = new Internet();
    const [a, b] = [net.site('a', first), net.site('b', second)];
    await startServer(net.server, SERVER_ADDRESS);
    await startClient(a.client, SERVER_ADDRESS);
    await startClient(b.client, SERVER_ADDRESS);
    await teredoAddress(a.client);
    const address = await teredoAddress(b.client);
    expect(await ping(a.client, address, CONNECTED_MS)).toBeDefined();
    flushMappings(a.nat);
    expect(await timeToFirstReply(a.client, address, 2 * most), 'the first to the second').toBeLessThan(most);
    const own = await teredoAddress(a.client);
    expect(await timeToFirstReply(b.client, own, 2 * most), 'the second to the first').toBeLessThan(most);
  },
);

const ARGUMENTS = [[], ['--no-local-discovery']] as const;

for (const hairpin of [true, false]) {
  test.for(ARGUMENTS)(`one NAT, ${hairpin ? '' : 'not '}hairpinning, %j`, async (args) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { hairpin });
    await expectNeighbours(net, site.client, net.neighbour(site), args);
  });
}

// Both on the inner NAT's LAN: by their alternate addresses, or by discovery.
test.for(ARGUMENTS)('two NATs in a row, %j', async (args) => {
  await using net = new Internet();
  const site = net.nest(net.site('a', 'port-restricted'), 'inner', 'port-restricted');
  await expectNeighbours(net, site.client, net.neighbour(site), args);
});

async function expectNeighbours(
  net: Internet,
  one: Namespace,
  other: Namespace,
  args: readonly string[],
): Promise<void> {
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(one, SERVER_ADDRESS, ...args);
  await startClient(other, SERVER_ADDRESS, ...args);
  const [first, second] = [await teredoAddress(one), await teredoAddress(other)];
  expect(await timeToFirstReply(one, second)).toBeLessThan(2_000);
  expect(await timeToFirstReply(other, first)).toBeLessThan(2_000);
  const { peers } = await peersOf(one, 'client');
  // Where the NAT hairpins that way may be the first.
  expect(['local', 'direct']).toContain(peers.find(({ address }) => address === second)?.means);
}
