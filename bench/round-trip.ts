import type { World } from './world.ts';

/** The median round trip in ms of this many pings, 20 ms apart. */
export async function measureRoundTrip(world: World, count: number): Promise<number> {
  const running = world.client.spawn('ping', ['-n', '-i', '0.02', '-c', String(count), world.target]);
  await running.exited;
  const times = [...running.output.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? NaN;
}

/** The same while TCP fills the link. */
export async function measureLoadedRoundTrip(world: World, count: number): Promise<number> {
  const listening = world.native.spawn('iperf3', ['-s', '-1', '--forceflush']);
  await listening.waitFor(/Server listening/);
  const load = world.client.spawn('iperf3', ['-c', world.target, '-t', '60', '--forceflush']);
  try {
    await load.waitFor(/sec/); // one second of it is over
    return await measureRoundTrip(world, count);
  } finally {
    await load.stop();
    await listening.stop();
  }
}
