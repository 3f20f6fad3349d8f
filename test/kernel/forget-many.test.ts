/** When the ways to all peers have changed, the kernel path forgets them: packets wait for no more than a part of that, and no peer is carried meanwhile. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import type { PeerTable } from '../../src/core/peer-table.ts';
import type { PeerMap } from '../../src/linux/bpf/peer-map.ts';
import { WAY } from '../../src/linux/bpf/layout.ts';
import { formatIpv6 } from '../../src/wire/index.ts';
import { blocksDuring, blocksInWords } from '../support/blocks.ts';
import type { Block } from '../support/blocks.ts';
import { carriedRelay, ip, offer } from '../support/carried-relay.ts';
import type { CarriedRelay } from '../support/carried-relay.ts';
import { eventually } from '../support/eventually.ts';
import { IS_ALL } from '../support/extent.ts';

const PEERS = IS_ALL ? 100_000 : 10_000;
/** These take about 3 ms. */
const MOST_A_TURN = 8_192;
/** The kernel's own work with entries that were removed is within turns, too: some of 5 to 15 ms come now and then. */
const BLOCK_MS = 20;
const ROUNDS = 5;
/** Peers that are sent to while all are forgotten. */
const PROVEN = 200;

let relay: CarriedRelay;

beforeAll(async () => {
  relay = await carriedRelay(PEERS);
  // A veth leaves checksums open: those of this host's packets are to be complete.
  execFileSync('ethtool', ['-K', 'teredo', 'tx', 'off']);
  return () => relay.role.close();
}, 60_000);

const carriedOut = (): number => relay.kernelPath.counters['carriedOut']!;

/** The relay's own way out, which the kernel may use for these peers at once. */
function proveSome(): void {
  const { peers } = relay.kernelPath as unknown as { peers: PeerMap };
  for (let i = 0; i < PROVEN; i++) expect(peers.setWay(relay.addresses[i]!, WAY.bare, 0, 0)).toBe(true);
}

/** A packet of the host to each of them. */
async function sendToSome(): Promise<void> {
  const host = createSocket('udp6');
  await Promise.all(
    relay.addresses
      .slice(0, PROVEN)
      .map((peer) => new Promise((sent) => host.send('x', 9, formatIpv6(peer), sent))),
  );
  host.close();
}

/** Changes the link by which all are reached. */
async function forget(mtu: number, whenSome = (): void => {}): Promise<void> {
  const { kernelPath } = relay;
  ip('link', 'set', 'eth', 'mtu', String(mtu));
  while (kernelPath.size === PEERS) await nextTurn();
  whenSome();
  while (kernelPath.size > 0) await nextTurn();
}

/** The most peers that were forgotten between two turns. */
async function largestPart(forgotten: Promise<void>): Promise<number> {
  let [isDone, before, most] = [false, PEERS, 0];
  void forgotten.finally(() => (isDone = true));
  while (!isDone) {
    await nextTurn();
    const { size } = relay.kernelPath;
    most = Math.max(most, before - size);
    before = size;
  }
  return most;
}

test('a part of them in each turn of the event loop', async () => {
  const blocks: Block[] = [];
  const [longest, parts]: [number[], number[]] = [[], []];
  for (let mtu = 1_480; mtu < 1_480 + ROUNDS; mtu++) {
    const part = largestPart(forget(mtu));
    const round = await blocksDuring(part);
    blocks.push(...round);
    longest.push(Math.max(0, ...round.map(({ ms }) => ms)));
    parts.push(await part);
    offer(relay.kernelPath, relay.addresses);
  }
  process.stdout.write(
    `${PEERS} peers are forgotten ${ROUNDS} times, at most ${Math.max(...parts)} a turn: ${blocksInWords(blocks)}\n`,
  );
  expect(Math.max(...parts)).toBeLessThanOrEqual(MOST_A_TURN);
  // A block of the work itself comes in each round; see faultOfAll() in blocks.ts.
  expect(Math.min(...longest)).toBeLessThan(BLOCK_MS);
});

test('packets that are sent meanwhile take the user path', async () => {
  proveSome();
  await sendToSome();
  await eventually(() => expect(carriedOut()).toBe(PROVEN));
  const relayed = (): number => relay.role.status('it').counters['relayedToClients']!;
  const [before, left] = [relayed(), [] as number[]];
  await forget(1_470, () => {
    left.push(relay.kernelPath.size);
    void sendToSome().then(() => left.push(relay.kernelPath.size));
  });
  await eventually(() => expect(relayed()).toBe(before + PROVEN));
  process.stdout.write(`packets were sent while ${left.join(' to ')} peers were left\n`);
  if (IS_ALL) expect(left[1]).toBeGreaterThan(0);
  expect(carriedOut(), 'carried before only').toBe(PROVEN);
});

test('the end of the kernel path: the counts of all are handed over, a part of them in each turn', async () => {
  const { machine } = (relay.role as unknown as { relay: { machine: { peers: PeerTable } } }).relay;
  const { peers } = machine;
  offer(relay.kernelPath, relay.addresses);
  proveSome();
  const sent = (): number =>
    relay.addresses
      .slice(0, PROVEN)
      .reduce((sum, address) => sum + peers.trafficOf(peers.find(address, 0)).sentPackets, 0);
  relay.kernelPath.report();
  const [before, carried] = [sent(), carriedOut()];
  // The first packet of each is reported at once, the second one is not.
  for (let i = 1; i <= 2; i++) {
    await sendToSome();
    await eventually(() => expect(carriedOut()).toBe(carried + i * PROVEN));
  }
  const ended = (async (): Promise<void> => {
    relay.kernelPath.end();
    while (sent() < before + 2 * PROVEN) await nextTurn();
  })();
  const blocks = await blocksDuring(ended);
  process.stdout.write(`${PEERS} peers at the end: ${blocksInWords(blocks)}\n`);
  expect(sent()).toBe(before + 2 * PROVEN);
  expect(Math.max(0, ...blocks.map(({ ms }) => ms))).toBeLessThan(BLOCK_MS);
});
