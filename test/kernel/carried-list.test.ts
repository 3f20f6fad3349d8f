/** The list of a relay whose peers the kernel carries. With 100,000 of them a page takes about a second, and blocks the event loop for at most 5 ms at a time. */
import { connect } from 'node:net';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { blocksDuring, blocksInWords, faultOfAll, heldMemory, tooLong } from '../support/blocks.ts';
import type { Block } from '../support/blocks.ts';
import { carriedRelay } from '../support/carried-relay.ts';
import { IS_ALL } from '../support/extent.ts';
import { get, httpDaemon } from '../support/http-rig.ts';
import type { Answer } from '../support/http-rig.ts';
import { stopwatch } from '../support/stopwatch.ts';

const PEERS = IS_ALL ? 100_000 : 10_000;
/** On a machine with other work. */
const PAGE_MS = 4_000;
const BLOCK_MS = 5;
const [ROUNDS, REQUESTS] = [3, IS_ALL ? 10 : 2];
let socketPath: string;
let close: () => void;

beforeAll(async () => {
  const { role } = await carriedRelay(PEERS);
  ({ path: socketPath } = await httpDaemon(
    {
      status: () => role.status('it'),
      rankedPeers: (order) => role.rankedPeers(order),
      peers: (limit) => {
        const { total, shown } = role.peers(limit);
        return { ok: true, result: { version: 1, name: 'it', total }, list: 'peers', items: shown };
      },
    },
    undefined,
    (end) => (close = end),
  ));
  return async () => {
    close();
    await role.close();
  };
}, 60_000);

test.each(['sort=traffic', 'sort=heard'])('a page with %s', async (order) => {
  const ask = (): Promise<Answer> => get(`/api/v1/peers?${order}&limit=1000`, { socketPath });
  await ask(); // loads the modules
  const times: number[] = [];
  let answer = '';
  const fault = await faultOfAll(ROUNDS, async () => {
    const blocks: Block[] = [];
    for (let i = 0; i < REQUESTS; i++) {
      const watch = stopwatch();
      const work = ask();
      blocks.push(...(await blocksDuring(work)));
      times.push(watch());
      answer = (await work).text;
    }
    process.stdout.write(`${order}, ${PEERS} peers: ${blocksInWords(blocks)}\n`);
    return tooLong(blocks, REQUESTS, BLOCK_MS);
  });
  const ms = Math.max(...times);
  const { peers } = JSON.parse(answer) as {
    peers: { receivedBytes: number; carried: string; receivedSecondsAgo: number }[];
  };
  process.stdout.write(`${order}, ${PEERS} peers: at most ${ms.toFixed(0)} ms\n`);
  expect(peers).toHaveLength(1_000);
  expect(peers.map(({ receivedBytes }) => receivedBytes)).toEqual(peers.map((_, i) => 999 + PEERS - i));
  expect(new Set(peers.map(({ carried }) => carried))).toEqual(new Set(['inward']));
  expect(ms).toBeLessThan(PAGE_MS);
  expect(fault).toBeUndefined();
});

test('a list that is not read takes little memory, and delays no other', async () => {
  const unread = (): void => {
    const socket = connect(socketPath, () =>
      socket.write(`GET /api/v1/peers?limit=${PEERS} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    onTestFinished(() => void socket.destroy());
    socket.pause();
  };
  const before = heldMemory();
  for (let i = 0; i < 20; i++) unread();
  for (let i = 0; i < 20; i++) {
    const watch = stopwatch();
    expect((await get('/livez', { socketPath })).status).toBe(200);
    expect(watch()).toBeLessThan(1_000);
  }
  const grown = heldMemory() - before;
  process.stdout.write(`20 lists of ${PEERS} peers that are not read: memory +${grown.toFixed(1)} MB\n`);
  expect(grown).toBeLessThan(20);
});
