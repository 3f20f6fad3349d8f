import { until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { peersOf } from './roles.ts';

/**
 * Pings a peer from a client until the client's kernel carries packets to it; with `relay`, until the relay's kernel carries packets to the client,
 * too.
 */
export async function proveKernelPath(host: Namespace, address: string, relay?: Namespace): Promise<void> {
  const pings = host.spawn('ping', ['-n', '-i', '0.2', address]);
  await until('the kernel path to the peer', async () => {
    const { peers } = await peersOf(host, 'client');
    return peers.some((peer) => peer.address === address && peer.carried === 'both') || undefined;
  });
  if (relay !== undefined)
    await until('the kernel path of the relay', async () => {
      const { peers } = await peersOf(relay, 'relay');
      return peers.some(({ carried }) => carried === 'both') || undefined;
    });
  await pings.stop();
}
