/**
 * Five kinds of NAT, each against each: 22 of 25 pairs connect in both directions. The others, random ports against random or counted ones,
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
import { IS_ALL, everyNth } from '../support/extent.ts';
import { GUESSED_MS, KINDS, PLAIN_MS, limitOf } from '../support/nat-limits.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const PAIRS = KINDS.flatMap((a) => KINDS.map((b) => ({ a, b })));

/** Each kind with itself, and with the next: all ways in which a peer is reached, and each kind at each end. */
const SOME = PAIRS.filter(({ a, b }) => [0, 1].includes((KINDS.indexOf(b) - KINDS.indexOf(a) + 5) % 5));

/** 256 openings and 1,700 probes. */
const GUESSES_MOST = 2_000;
/** For a pair that cannot connect: longer than a contact takes to fail. */
const HOPELESS_MS = 9_000;

describe('NAT pairs', () => {
  test.for(IS_ALL ? PAIRS : everyNth(2, SOME))('$a with $b', async ({ a, b }) => {
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

describe('with a relay that offers it, pairs that cannot connect directly are connected there', () => {
  const hopeless = PAIRS.filter(({ a, b }) => limitOf(a, b) === undefined);
  test.for(everyNth(3, hopeless))('$a with $b', async ({ a, b }) => {
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

async function guesses(host: Parameters<typeof statusOf>[0]): Promise<number> {
  const status = await statusOf(host, 'client');
  return (status as { counters: Record<string, number> }).counters['sentGuesses']!;
}
