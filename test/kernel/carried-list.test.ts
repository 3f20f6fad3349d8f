/** The list of a relay whose peers the kernel carries. With 100,000 of them a page takes about a second, and blocks the event loop for at most 5 ms at a time. */
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { RelayRole } from '../../src/daemon/relay-role.ts';
import { systemClock } from '../../src/io/system-clock.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { PeerTable } from '../../src/core/peer-table.ts';
import type { KernelPath } from '../../src/io/ports.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import { blocksDuring, blocksInWords, tooLong } from '../support/blocks.ts';
import type { Block } from '../support/blocks.ts';
import { v4 } from '../support/client-rig.ts';
import { IS_ALL } from '../support/extent.ts';
import { get, httpDaemon } from '../support/http-rig.ts';
import type { Answer } from '../support/http-rig.ts';

const PEERS = IS_ALL ? 100_000 : 10_000;
/** On a machine with other work. */
const PAGE_MS = 4_000;
const BLOCK_MS = 5;
const REQUESTS = IS_ALL ? 10 : 2;
const ADDRESS = '192.0.2.10';
const SERVER = v4('198.51.100.118');

const ip = (...words: string[]): void => void execFileSync('ip', words);

let socketPath: string;
let close: () => void;

beforeAll(async () => {
  enterNewNetwork();
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'eth', 'type', 'veth', 'peer', 'name', 'other');
  ip('addr', 'add', `${ADDRESS}/24`, 'dev', 'eth');
  // Routes that change make the kernel path forget its peers.
  for (const name of ['eth', 'other']) ip('link', 'set', name, 'addrgenmode', 'none', 'up');
  ip('route', 'add', 'default', 'via', '192.0.2.1', 'dev', 'eth');
  const settings = {
    address: v4(ADDRESS),
    port: 3545,
    interface: 'teredo',
    dataPath: 'kernel' as const,
  };
  const role = new RelayRole('relay', settings, kernelPorts(), { end: () => {}, changed: () => {} });
  await role.start();
  carry(role);
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

/** Peers as if each had been verified. */
function carry(role: RelayRole): void {
  const { machine, kernelPath } = (
    role as unknown as { relay: { machine: { peers: PeerTable }; kernelPath: { port: KernelPath } } }
  ).relay;
  const { peers } = machine;
  for (let i = 0; i < PEERS; i++) {
    const pair = { mappedAddress: 0x0808_0000 + i, mappedPort: 4_000 };
    const address = makeTeredoAddress({ server: SERVER, flags: 0, ...pair });
    const peer = peers.insert(address, 0);
    [peers.mappedAddress[peer], peers.mappedPort[peer]] = [pair.mappedAddress, pair.mappedPort];
    peers.lastReceived[peer] = i;
    peers.trust(peer, i);
    peers.countReceived(peer, 1_000 + i);
    kernelPath.port.offload(address, 0, pair.mappedAddress, pair.mappedPort, systemClock.now());
    if (i % 1_000 === 0) kernelPath.port.flush();
  }
  kernelPath.port.flush();
  expect(kernelPath.port.size).toBe(PEERS);
}

test.each(['sort=traffic', 'sort=heard'])('a page with %s', async (order) => {
  const ask = (): Promise<Answer> => get(`/api/v1/peers?${order}&limit=1000`, { socketPath });
  await ask(); // loads the modules
  const times: number[] = [];
  const blocks: Block[] = [];
  let answer = '';
  for (let i = 0; i < REQUESTS; i++) {
    const begun = performance.now();
    const work = ask();
    blocks.push(...(await blocksDuring(work)));
    times.push(performance.now() - begun);
    answer = (await work).text;
  }
  const ms = Math.max(...times);
  const { peers } = JSON.parse(answer) as {
    peers: { receivedBytes: number; carried: string; receivedSecondsAgo: number }[];
  };
  process.stdout.write(`${order}, ${PEERS} peers: at most ${ms.toFixed(0)} ms, ${blocksInWords(blocks)}\n`);
  expect(peers).toHaveLength(1_000);
  expect(peers.map(({ receivedBytes }) => receivedBytes)).toEqual(peers.map((_, i) => 999 + PEERS - i));
  expect(new Set(peers.map(({ carried }) => carried))).toEqual(new Set(['inward']));
  expect(ms).toBeLessThan(PAGE_MS);
  expect(tooLong(blocks, REQUESTS, BLOCK_MS)).toBeUndefined();
});

test('a list that is not read takes little memory, and delays no other', async () => {
  const unread = (): void => {
    const socket = connect(socketPath, () =>
      socket.write(`GET /api/v1/peers?limit=${PEERS} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    onTestFinished(() => void socket.destroy());
    socket.pause();
  };
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) unread();
  for (let i = 0; i < 20; i++) {
    const begun = performance.now();
    expect((await get('/livez', { socketPath })).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(1_000);
  }
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  process.stdout.write(`20 lists of ${PEERS} peers that are not read: memory +${grown.toFixed(1)} MB\n`);
  expect(grown).toBeLessThan(20);
});
