/** Attacks that make a server send to a third party. S-23, S-27 */
import { expect, test } from 'vitest';
import { SERVER_LIMITS } from '../../src/core/server/limits.ts';
import { Internet, SERVER_ADDRESS, timeToFirstReply } from '../../src/lab/index.ts';
import { buildBubble } from '../../src/wire/index.ts';
import { startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';
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
  teredo,
  v6,
  endedWith,
} from './attack-lab.ts';
import { IS_ALL } from '../support/extent.ts';

const PORT = 5000;
const VICTIM = teredo(SERVER_ADDRESS, `${VICTIM_ADDRESS}:6000`);
const FROM_ATTACKER = buildBubble(teredo(SERVER_ADDRESS, `${ATTACKER_ADDRESS}:${PORT}`), VICTIM, 21);
const FROM_NATIVE = buildBubble(v6('2001:db8:66::1'), VICTIM, 21);
const ORDER = { from: ATTACKER_ADDRESS, port: PORT, to: SERVER_ADDRESS, toPort: 3544 };

/** An extension of an unknown type, which RFC 6081 permits after a bubble; `length` includes its header. */
function trailer(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = 0x7e;
  bytes[1] = length - 2;
  return bytes;
}

test('a bubble with 64 bytes after it is forwarded, with 60 KB it is not', async () => {
  await using net = new Internet();
  const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
  const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
  await startServer(net.server, SERVER_ADDRESS);
  const load = concatenate(FROM_ATTACKER, ...Array.from({ length: 60 * 16 }, () => trailer(64)));
  expect((await send(attacker, { ...ORDER, payloads: [load], count: 10 })).failed).toBe(0);
  expect(await statusOf(net.server, 'server')).toMatchObject({ counters: { receivedDatagrams: 10 } });
  expect(arrived.read().packets).toBe(0);
  await send(attacker, { ...ORDER, payloads: [concatenate(FROM_ATTACKER, trailer(64))], count: 10 });
  expect(arrived.read().packets).toBe(10);
  // IPv4, UDP, an origin indication, the bubble, the extension: the amplification is at most 8 bytes.
  expect(arrived.read().bytes).toBe(10 * (20 + 8 + 8 + 40 + 64));
});

test.for(IS_ALL ? [1, 2, 8] : [1])(
  'hundreds of thousands of bubbles to a third party: within the limit, and others are forwarded meanwhile (workers: %d)',
  async (workers) => {
    await using net = new Internet();
    const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
    const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
    const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
    const server = await startServer(net.server, SERVER_ADDRESS, '--workers', String(workers));
    await startClient(a.client, SERVER_ADDRESS);
    await startClient(b.client, SERVER_ADDRESS);
    await teredoAddress(a.client);
    const address = await teredoAddress(b.client);
    const before = memoryOf(server);
    const attack = send(attacker, {
      ...ORDER,
      payloads: [FROM_ATTACKER, FROM_NATIVE],
      count: IS_ALL ? 600_000 : 200_000,
      perSecond: 60_000,
    });
    expect(await timeToFirstReply(a.client, address)).toBeLessThan(3_000);
    const ping = await HonestPing.start(a.client, address);
    const { seconds } = await attack;
    const { packets } = arrived.read();
    expect(packets).toBeGreaterThan(0);
    expect(packets).toBeLessThanOrEqual(mostWithin(SERVER_LIMITS.forwardedByPair, seconds));
    expect(memoryOf(server) - before).toBeLessThan(100);
    const { answered, slowestMs } = await ping.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(slowestMs).toBeLessThan(1_000);
    const { counters } = (await statusOf(net.server, 'server'))!;
    expect(await endedWith(server, 'forwarded-by-pair')).toMatchObject({
      by: ATTACKER_ADDRESS,
      times: counters['droppedForwardLimit'],
    });
  },
);

/** Every limit holds for all workers of a server together. */
test.for(IS_ALL ? [1, 2, 8] : [1, 8])(
  'the same from 500 forged IPv4 addresses: the victim has a limit of its own (workers: %d)',
  async (workers) => {
    await using net = new Internet();
    const attacker = addHost(net, 'attacker', ATTACKER_ADDRESS);
    const arrived = new ArrivalCounter(addHost(net, 'victim', VICTIM_ADDRESS));
    const server = await startServer(net.server, SERVER_ADDRESS, '--workers', String(workers));
    const from = Array.from({ length: 500 }, (_, i) => `198.51.${100 + (i >>> 8)}.${i & 0xff}`).filter(
      (address) => !/\.(0|255)$/.test(address),
    );
    const attack = await spoof(attacker, {
      ...ORDER,
      from,
      payloads: [FROM_NATIVE],
      count: IS_ALL ? 200_000 : 120_000,
    });
    expect(attack.failed).toBe(0);
    const { packets } = arrived.read();
    expect(packets).toBeGreaterThan(SERVER_LIMITS.forwardedByPair.shared.burst);
    expect(packets).toBeLessThanOrEqual(mostWithin(SERVER_LIMITS.forwarded, attack.seconds));
    const { counters } = (await statusOf(net.server, 'server'))!;
    const { times, by } = await endedWith(server, 'forwarded');
    expect(by).toBe(VICTIM_ADDRESS);
    // Of those that the host's queues have not dropped before.
    expect(times).toBeGreaterThan(10_000);
    // In the kernel some pairs share a bucket (adr/0015), and reach their common limit first.
    const ofPairs = await endedWith(server, 'forwarded-by-pair');
    expect(times + ofPairs.times).toBeGreaterThanOrEqual(counters['droppedForwardLimit']!);
    expect(ofPairs.times).toBeLessThan(times / 20);
  },
);
