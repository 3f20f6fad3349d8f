/**
 *  NATs behind NATs, and clients that share a NAT.
 *
 *     client --- inner NAT --- outer NAT --- backbone          a site behind a carrier
 *     client a --- NAT a ---+
 *                           +-- carrier's NAT --- backbone     two of them: only by hairpinning
 *     client b --- NAT b ---+
 *
 * Two in a row are like one: `inARow`.
 */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, ping, timeToFirstReply } from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace } from '../../src/lab/index.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { GUESSED_MS, KINDS, STABLE, inARow, limitOf } from '../support/nat-limits.ts';
import { startClient, startServer, teredoAddress } from '../support/roles.ts';

/** Longer than a contact takes to fail. */
const HOPELESS_MS = 9_000;
const EVERY_PAIR = KINDS.flatMap((a) => KINDS.map((b) => [a, b] as const));

type Rows = readonly [outer: NatBehaviour, inner: NatBehaviour, peer: NatBehaviour];

const SOME: readonly Rows[] = [
  ['full-cone', 'symmetric-sequential', 'port-restricted'],
  ['port-restricted', 'symmetric-random', 'address-restricted'],
  ['symmetric-random', 'port-restricted', 'full-cone'],
  ['symmetric-sequential', 'symmetric-random', 'symmetric-sequential'],
];

test.for(IS_ALL ? EVERY_PAIR.flatMap((row) => KINDS.map((peer): Rows => [...row, peer])) : everyNth(3, SOME))(
  '%s before %s, with %s',
  async ([outer, inner, peer]) => {
    await using net = new Internet();
    const { client } = net.nest(net.site('a', outer), 'inner', inner);
    await expectPair(client, net.site('b', peer).client, net, limitOf(inARow(outer, inner), peer));
  },
);

const BOTH: readonly (readonly [NatBehaviour, NatBehaviour])[] = [
  ['full-cone', 'port-restricted'],
  ['port-restricted', 'symmetric-sequential'],
];

test.for(IS_ALL ? EVERY_PAIR : everyNth(3, BOTH))(
  '%s before %s, with a client behind the same two in reverse order',
  async ([a, b]) => {
    await using net = new Internet();
    const one = net.nest(net.site('a', a), 'inner-a', b);
    const other = net.nest(net.site('b', b), 'inner-b', a);
    await expectPair(one.client, other.client, net, limitOf(inARow(a, b), inARow(b, a)));
  },
);

// A hairpin of the lab makes no mapping for packets that are not let in, as a symmetric carrier's NAT would have to.
test.for(IS_ALL ? STABLE : (['port-restricted'] as const))(
  'two sites behind one %s NAT that hairpins',
  async (carrier) => {
    await using net = new Internet();
    const outer = net.site('carrier', carrier, { hairpin: true });
    const sites = ['a', 'b'].map((name) => net.nest(outer, name, 'port-restricted'));
    const kind = inARow(carrier, 'port-restricted');
    await expectPair(sites[0]!.client, sites[1]!.client, net, limitOf(kind, kind));
  },
);

async function expectPair(
  a: Namespace,
  b: Namespace,
  net: Internet,
  most: number | undefined,
): Promise<void> {
  await startServer(net.server, SERVER_ADDRESS);
  await Promise.all([a, b].map((client) => startClient(client, SERVER_ADDRESS)));
  const [addressA, addressB] = [await teredoAddress(a), await teredoAddress(b)];
  if (most === undefined) expect(await ping(a, addressB, HOPELESS_MS)).toBeUndefined();
  else {
    expect(await timeToFirstReply(a, addressB, GUESSED_MS), 'A to B').toBeLessThan(most);
    expect(await timeToFirstReply(b, addressA, GUESSED_MS), 'B to A').toBeLessThan(most);
  }
}
