import { until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { peersOf } from './roles.ts';

/** Pings a peer until the kernel carries what goes to it. */
export async function proveKernelPath(host: Namespace, address: string, role = 'client'): Promise<void> {
  const pings = host.spawn('ping', ['-n', '-i', '0.2', address]);
  await until('the kernel path to the peer', async () => {
    const { peers } = await peersOf(host, role);
    return peers.some((peer) => peer.address === address && peer.carried === 'both') || undefined;
  });
  await pings.stop();
}
