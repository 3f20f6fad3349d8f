/** A relay with 100,000 peers: its event loop is not blocked by those that look at it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { blocksDuring, blocksInWords, tooLong } from '../../../test/support/blocks.ts';
import type { Block } from '../../../test/support/blocks.ts';
import { seededEntropy, v4 } from '../../../test/support/client-rig.ts';
import { IS_ALL } from '../../../test/support/extent.ts';
import { httpDaemon } from '../../../test/support/http-rig.ts';
import type { PeerTable } from '../../core/peer-table.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import { makeTeredoAddress } from '../../wire/index.ts';
import { RelayRole } from '../relay-role.ts';

const PEERS = 100_000;
const ROUNDS = 6;
const MOST_MS = 5;
const ADDRESS = v4('192.0.2.10');
const SERVER = v4('198.51.100.118');

function crowdedRelay(): RelayRole {
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
  const settings = { address: ADDRESS, port: 3545, interface: 'teredo' };
  const role = new RelayRole('relay', settings, ports, { end: () => {}, changed: () => {} });
  const { peers } = (role as unknown as { relay: { machine: { peers: PeerTable } } }).relay.machine;
  for (let i = 0; i < PEERS; i++) {
    const pair = { mappedAddress: 0x0808_0000 + i, mappedPort: 4_000 };
    const peer = peers.insert(makeTeredoAddress({ server: SERVER, flags: 0, ...pair }), 0);
    [peers.mappedAddress[peer], peers.mappedPort[peer]] = [pair.mappedAddress, pair.mappedPort];
    peers.lastReceived.set(peer, i);
    peers.trust(peer, i);
    peers.countReceived(peer, 1_000 + i);
  }
  return role;
}

/** Asks in another process; the length of the answer. */
async function ask(socketPath: string, path: string): Promise<number> {
  const script = `let n = 0;
    require('http').get({ socketPath: ${JSON.stringify(socketPath)}, path: ${JSON.stringify(path)} }, (answer) =>
      answer.on('data', (part) => (n += part.length)).on('end', () => console.log(n)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  return Number(stdout);
}

test.skipIf(!IS_ALL)(
  'metrics and peers take at most 5 ms at a time',
  async () => {
    const role = crowdedRelay();
    const { path } = await httpDaemon({
      status: () => role.status('it'),
      rankedPeers: (order) => role.rankedPeers(order),
      peers: (limit) => {
        const { total, shown } = role.peers(limit);
        return { ok: true, result: { version: 1, name: 'it', total }, list: 'peers', items: shown };
      },
    });
    await ask(path, '/metrics'); // loads the modules
    for (const [wanted, least] of [
      ['/metrics', 1_000],
      ['/api/v1/status', 1_000],
      [`/api/v1/peers?limit=${PEERS}`, 20_000_000],
      ['/api/v1/peers?limit=1000&sort=traffic', 100_000],
    ] as const) {
      const blocks: Block[] = [];
      let octets = 0;
      for (let i = 0; i < ROUNDS; i++) {
        const work = Promise.all([ask(path, wanted), ask(path, wanted)]);
        blocks.push(...(await blocksDuring(work)));
        octets = Math.min(...(await work));
        expect(octets, wanted).toBeGreaterThan(least);
      }
      process.stdout.write(`${wanted}: ${octets} octets twice, ${blocksInWords(blocks)}\n`);
      expect(tooLong(blocks, 2 * ROUNDS, MOST_MS), wanted).toBeUndefined();
    }
  },
  120_000,
);
