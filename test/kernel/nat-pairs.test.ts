/** Full cone, address-restricted, port-restricted, each against each: both directions connect, first reply within 1 s. */
import { describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  timeToFirstReply,
} from '../../src/lab/index.ts';
import type { NatBehaviour } from '../../src/lab/index.ts';
import { startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

const KINDS: readonly NatBehaviour[] = ['full-cone', 'address-restricted', 'port-restricted'];
const PAIRS = KINDS.flatMap((a) => KINDS.map((b) => ({ a, b })));
const FIRST_REPLY_MS = 1_000;

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

    expect(await timeToFirstReply(siteA.client, addressB), 'A to B').toBeLessThan(FIRST_REPLY_MS);
    expect(await timeToFirstReply(siteB.client, addressA), 'B to A').toBeLessThan(FIRST_REPLY_MS);
    expect(await timeToFirstReply(siteA.client, NATIVE_ADDRESS), 'A to native').toBeLessThan(FIRST_REPLY_MS);
    expect(await timeToFirstReply(net.native, addressB), 'native to B').toBeLessThan(FIRST_REPLY_MS);
  });
});
