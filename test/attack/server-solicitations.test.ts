/** Attacks by solicitations: on a server, and on the hosts that it answers. S-2, S-37 to S-40 */
import { expect, test } from 'vitest';
import { SERVER_LIMITS } from '../../src/core/server/limits.ts';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { buildRouterSolicitation, makeLinkLocal, toHex, writeAuthentication } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import {
  ATTACKER_ADDRESS,
  ArrivalCounter,
  HonestPing,
  VICTIM_ADDRESS,
  addHost,
  concatenate,
  memoryOf,
  mostWithin,
  send,
  spoof,
  v4,
  endedWith,
} from './attack-lab.ts';
import { IS_ALL } from '../support/extent.ts';

const SOLICITATION = buildRouterSolicitation(
  makeLinkLocal({ flags: 0, mappedPort: 0, mappedAddress: v4('255.255.255.255') }),
);
const { answers } = SERVER_LIMITS;
const NONCE = Uint8Array.from([0xde, 0xad, 0xbe, 0xef, 0x01, 0x23, 0x45, 0x67]);

test("a solicitation without authentication does not get another client's nonce", async () => {
  await using net = new Internet();
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const other = addHost(net, 'other', VICTIM_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS);
  const header = new Uint8Array(13);
  writeAuthentication(header, 0, {
    clientId: new Uint8Array(),
    value: new Uint8Array(),
    nonce: NONCE,
    confirmation: 0,
  });
  const withNonce = {
    from: VICTIM_ADDRESS,
    to: SERVER_ADDRESS,
    toPort: 3544,
    payloads: [concatenate(header, SOLICITATION)],
    wanted: 1,
  };
  const without = {
    from: ATTACKER_ADDRESS,
    to: SERVER_ADDRESS,
    toPort: 3544,
    payloads: [SOLICITATION],
    wanted: 1,
  };
  const theirs = await send(other, withNonce);
  expect(theirs.answers).toEqual([expect.stringContaining(toHex(NONCE))]);
  const ours = await send(attacker, without);
  expect(ours.answers).toHaveLength(1);
  expect(ours.answers[0]).toMatch(/^0000/); // an origin indication comes first
  expect(ours.answers[0]).not.toContain(toHex(NONCE));
  const { counters } = (await statusOf(net.server, 'server'))!;
  expect(counters['solicitationsAnswered']).toBe(2); // one each
});

test.for(IS_ALL ? [1, 2, 8] : [2])(
  'a flood of solicitations from one address: few answers, no memory, no harm to others (workers: %d)',
  async (workers) => {
    await using net = new Internet();
    const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
    const site = net.site('a', 'port-restricted');
    const server = await startServer(net.server, SERVER_ADDRESS, '--workers', String(workers));
    await startRelay(net.relay, RELAY_ADDRESS);
    await startClient(site.client, SERVER_ADDRESS);
    await teredoAddress(site.client);
    const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
    const arrived = new ArrivalCounter(attacker);
    const before = memoryOf(server);
    const attack = await send(attacker, {
      from: ATTACKER_ADDRESS,
      to: SERVER_ADDRESS,
      toPort: 3544,
      payloads: [SOLICITATION],
      count: IS_ALL ? 1_000_000 : 200_000,
    });
    expect(attack.failed).toBe(0);
    expect(arrived.read().packets).toBeGreaterThan(0);
    expect(arrived.read().packets).toBeLessThanOrEqual(mostWithin(answers, attack.seconds));
    expect(memoryOf(server) - before).toBeLessThan(100);
    const { state, counters } = (await statusOf(net.server, 'server'))!;
    expect(state).toBe('running');
    const { answered, slowestMs } = await ping.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(slowestMs).toBeLessThan(1_000);
    // A new client is served while the attacker's address has no budget left.
    const late = net.site('b', 'port-restricted');
    const client = await startClient(late.client, SERVER_ADDRESS);
    await client.waitFor(/qualified: /, 5_000);
    // The log names the address and the number, on either data path.
    const { times, by, lines } = await endedWith(server, 'answers');
    expect(by).toMatch(new RegExp(`^${ATTACKER_ADDRESS}`));
    expect(lines).toBeLessThanOrEqual(3);
    expect(times).toBe(counters['droppedAnswerLimit']);
  },
);

test('solicitations in the name of a victim: it gets no more answers than the limit', async () => {
  await using net = new Internet();
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
  await startServer(net.server, SERVER_ADDRESS);
  const attack = await spoof(attacker, {
    from: VICTIM_ADDRESS,
    port: 5000,
    to: SERVER_ADDRESS,
    toPort: 3544,
    payloads: [SOLICITATION],
    count: IS_ALL ? 200_000 : 50_000,
  });
  const { packets } = arrived.read();
  expect(packets).toBeGreaterThan(0);
  expect(packets).toBeLessThanOrEqual(mostWithin(answers, attack.seconds));
  expect(await statusOf(net.server, 'server')).toMatchObject({
    counters: { droppedAnswerLimit: expect.any(Number) },
  });
});
