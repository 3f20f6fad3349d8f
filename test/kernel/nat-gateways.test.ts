/** Pairs of NATs of which one or both open ports (docs/architecture.md, "The gateway's port"): miniupnpd in the NAT of a site. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, timeToFirstReply, until } from '../../src/lab/index.ts';
import type { NatBehaviour, Site } from '../../src/lab/index.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { EXTENDED_MS, KINDS } from '../support/nat-limits.ts';
import { startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const UNDOCUMENTED = { undocumented: true };

type Sides = 'the first' | 'the second' | 'both';
type Case = readonly [NatBehaviour, NatBehaviour, Sides];

const SOME: readonly Case[] = [
  ['symmetric-random', 'port-restricted', 'the first'],
  ['port-restricted', 'symmetric-random', 'the first'],
  ['symmetric-sequential', 'symmetric-random', 'the second'],
  ['symmetric-sequential', 'symmetric-sequential', 'both'],
  ['full-cone', 'symmetric-random', 'both'],
  ['symmetric-random', 'full-cone', 'the first'],
  ['port-restricted', 'symmetric-sequential', 'the second'],
];

function all(): Case[] {
  return (['the first', 'the second', 'both'] as const).flatMap((sides) =>
    KINDS.flatMap((a) => KINDS.map((b): Case => [a, b, sides])),
  );
}

// Even without guesses of ports, or where those would fail: the client with the open port is reached there.
test.for(IS_ALL ? all() : everyNth(2, SOME))(
  '%s with %s: the gateway of %s opens a port',
  async ([first, second, sides]) => {
    await using net = new Internet();
    const [a, b] = [net.site('a', first, UNDOCUMENTED), net.site('b', second, UNDOCUMENTED)];
    await using _a = sides === 'the second' ? undefined : await Gateway.start(a);
    await using _b = sides === 'the first' ? undefined : await Gateway.start(b);
    await startServer(net.server, SERVER_ADDRESS);
    await Promise.all([a, b].map(({ client }) => startClient(client, SERVER_ADDRESS)));
    const [addressA, addressB] = [await teredoAddress(a.client), await teredoAddress(b.client)];
    if (sides !== 'the second') await mapped(a);
    if (sides !== 'the first') await mapped(b);
    expect(await timeToFirstReply(a.client, addressB), 'A to B').toBeLessThan(EXTENDED_MS);
    expect(await timeToFirstReply(b.client, addressA), 'B to A').toBeLessThan(EXTENDED_MS);
  },
);

async function mapped({ client }: Site): Promise<void> {
  await until('a port mapping', async () => {
    const status = await statusOf(client, 'client');
    return status?.['portMapping'] !== undefined || undefined;
  });
}
