/** Peers that are reached by a socket of their own (RFC 6081, guessed ports) are carried by the kernel, too. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, ping, transfer } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { peersOf, startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 5_000_000;
/** One guess in a thousand misses, and is tried again (adr/0016). How long one takes is judged by nat-pairs.test.ts. */
const FOUND_MS = 30_000;
/** The number of packets that most of this many bytes take. */
const MOST = 3_000;

test.for([
  ['symmetric-sequential', 'port-restricted', 'random-port'],
  ['symmetric-random', 'port-restricted', 'guess'],
] as const)('a client behind a NAT of the kind %s, and one behind %s', async ([behind, other, means]) => {
  await using net = new Internet();
  const [a, b] = [net.site('a', behind).client, net.site('b', other).client];
  await startServer(net.server, SERVER_ADDRESS);
  for (const client of [a, b]) await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel');
  const [addressA, addressB] = [await teredoAddress(a), await teredoAddress(b)];
  expect(await ping(a, addressB, FOUND_MS)).toBeDefined();
  const { means: found } = (await peersOf(a, 'client')).peers.find(({ address }) => address === addressB)!;
  expect(found).toBe(means);
  await proveKernelPath(a, addressB);
  await proveKernelPath(b, addressA);
  const before = await carried(a);
  expect(await transfer(a, b, addressB, BYTES, 20_000)).toMatchObject({ whole: true });
  expect(await transfer(b, a, addressA, BYTES, 20_000)).toMatchObject({ whole: true });
  const after = await carried(a);
  expect(after.out - before.out).toBeGreaterThan(MOST);
  expect(after.in - before.in).toBeGreaterThan(MOST);
});

/** Packets that the kernel has carried out and in. */
async function carried(host: Namespace): Promise<{ out: number; in: number }> {
  const path = (await statusOf(host, 'client'))?.['dataPath'] as { counters: Record<string, number> };
  return { out: path.counters['carriedOut']!, in: path.counters['carriedIn']! };
}
