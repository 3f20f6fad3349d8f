/**
 * Five kinds of NAT, each against each: both directions connect in 22 of 25 pairs. Not so random ports against random or counted ones, which
 * would take tens of thousands of guesses.
 */
import { describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  timeToFirstReply,
} from '../../src/lab/index.ts';
import type { NatBehaviour } from '../../src/lab/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const STABLE: readonly NatBehaviour[] = ['full-cone', 'address-restricted', 'port-restricted'];
const SYMMETRIC: readonly NatBehaviour[] = ['symmetric-sequential', 'symmetric-random'];
const KINDS = [...STABLE, ...SYMMETRIC];
const PAIRS = KINDS.flatMap((a) => KINDS.map((b) => ({ a, b })));

/** RFC 4380 section 5.2.4 is enough, or RFC 6081 is, or ports are guessed (docs/adr/0016). */
const [PLAIN_MS, EXTENDED_MS, GUESSED_MS] = [1_000, 2_000, 10_000];
/** 256 openings and 1,700 probes. */
const GUESSES_MOST = 2_000;
/** For a pair that cannot connect: longer than a contact takes to fail. */
const HOPELESS_MS = 9_000;

describe('NAT pairs', () => {
  test.for(PAIRS)('$a with $b', async ({ a, b }) => {
    await using net = new Internet();
    const siteA = net.site('a', a);
    const siteB = net.site('b', b);
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    await startClient(siteA.client, SERVER_ADDRESS);
    await startClient(siteB.client, SERVER_ADDRESS);
    const addressA = await teredoAddress(siteA.client);
    const addressB = await teredoAddress(siteB.client);

    const most = limitOf(a, b);
    if (most === undefined) {
      expect(await ping(siteA.client, addressB, HOPELESS_MS)).toBeUndefined();
    } else {
      expect(await timeToFirstReply(siteA.client, addressB, most), 'A to B').toBeLessThan(most);
      expect(await timeToFirstReply(siteB.client, addressA, most), 'B to A').toBeLessThan(most);
    }
    expect((await guesses(siteA.client)) + (await guesses(siteB.client))).toBeLessThanOrEqual(
      most === GUESSED_MS ? GUESSES_MOST : 0,
    );
    expect(await timeToFirstReply(siteA.client, NATIVE_ADDRESS), 'A to native').toBeLessThan(PLAIN_MS);
    expect(await timeToFirstReply(net.native, addressB), 'native to B').toBeLessThan(PLAIN_MS);
  });
});

describe('with a relay that offers it, hopeless pairs meet there', () => {
  const hopeless = PAIRS.filter(({ a, b }) => limitOf(a, b) === undefined);
  test.for(hopeless)('$a with $b', async ({ a, b }) => {
    await using net = new Internet();
    const siteA = net.site('a', a);
    const siteB = net.site('b', b);
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS, '--meet');
    for (const { client } of [siteA, siteB])
      await startClient(client, SERVER_ADDRESS, '--meet', RELAY_ADDRESS);
    const addressA = await teredoAddress(siteA.client);
    const addressB = await teredoAddress(siteB.client);
    expect(await timeToFirstReply(siteA.client, addressB, GUESSED_MS), 'A to B').toBeLessThan(GUESSED_MS);
    expect(await timeToFirstReply(siteB.client, addressA), 'B to A').toBeLessThan(PLAIN_MS);
  });
});

/** How long the first reply may take; undefined: it never comes. */
function limitOf(a: NatBehaviour, b: NatBehaviour): number | undefined {
  if (STABLE.includes(a) && STABLE.includes(b)) return PLAIN_MS;
  if (SYMMETRIC.includes(a) && SYMMETRIC.includes(b)) {
    return a === 'symmetric-random' || b === 'symmetric-random' ? undefined : GUESSED_MS;
  }
  const isGuessed = [a, b].includes('symmetric-random') && [a, b].includes('port-restricted');
  return isGuessed ? GUESSED_MS : EXTENDED_MS;
}

async function guesses(host: Parameters<typeof statusOf>[0]): Promise<number> {
  const status = await statusOf(host, 'client');
  return (status as { counters: Record<string, number> }).counters['sentGuesses']!;
}
