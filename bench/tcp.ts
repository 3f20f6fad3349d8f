import { Internet, NATIVE_ADDRESS, until } from '../src/lab/index.ts';
import type { Namespace } from '../src/lab/index.ts';
import { startClient, startRelay, startServer } from './seats.ts';
import type { Maker } from './seats.ts';

/** Mbit/s from client to native host and back, this maker's program in every seat, through a port-restricted NAT. */
export async function measureTcp(
  maker: Maker,
  seconds: number,
): Promise<{ readonly up: number; readonly down: number }> {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net, maker);
  await startRelay(net, maker);
  await startClient(site.client, maker);
  await until('the way to the native host', async () => {
    const pinging = site.client.spawn('ping', ['-n', '-c', '1', '-W', '1', NATIVE_ADDRESS]);
    return (await pinging.exited) === 0 || undefined;
  });
  return {
    up: await iperf(net.native, site.client, seconds),
    down: await iperf(net.native, site.client, seconds, '--reverse'),
  };
}

async function iperf(
  server: Namespace,
  client: Namespace,
  seconds: number,
  ...more: string[]
): Promise<number> {
  const listening = server.spawn('iperf3', ['-s', '-1', '--forceflush']);
  await listening.waitFor(/Server listening/);
  const args = ['-c', NATIVE_ADDRESS, '-t', String(seconds), '-J', ...more];
  const running = client.spawn('iperf3', args);
  if ((await running.exited) !== 0) throw new Error(`iperf3 failed: ${running.output}`);
  await listening.exited;
  const report = JSON.parse(running.stdout) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e6;
}
