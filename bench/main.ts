/** `npm run bench`: ours and miredo, in turn, in the same lab; what counts are the ratios. `--rounds N`, `--seconds N`. */
import { parseArgs } from 'node:util';
import { measureRelay } from './relay-packets.ts';
import { MAKERS } from './seats.ts';
import type { Maker } from './seats.ts';
import { measureTcp } from './tcp.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '4' } },
});
const seconds = Number(values.seconds);

type Figures = Record<string, number>;
const rounds: Record<Maker, Figures[]> = { ours: [], miredo: [] };

for (let round = 1; round <= Number(values.rounds); round++) {
  for (const maker of MAKERS) {
    process.stderr.write(`round ${round}, ${maker}\n`);
    rounds[maker].push(await measure(maker));
  }
}
print();

async function measure(maker: Maker): Promise<Figures> {
  const tcp = await measureTcp(maker, seconds);
  const relay = await measureRelay(maker, seconds);
  return {
    'TCP client to native, Mbit/s': tcp.up,
    'TCP native to client, Mbit/s': tcp.down,
    'relay UDP to IPv6, packets/s of 1280 bytes': relay.up.packetsPerSecond,
    'relay IPv6 to UDP, packets/s of 1280 bytes': relay.down.packetsPerSecond,
    'relay UDP to IPv6, microseconds of CPU a packet': relay.up.cpuMicroseconds,
    'relay IPv6 to UDP, microseconds of CPU a packet': relay.down.cpuMicroseconds,
  };
}

/** The medians, and the median of the ratios round by round. */
function print(): void {
  const row = (name: string, ours: string, miredo: string, ratio: string): void => {
    process.stdout.write(
      `${name.padEnd(50)} ${ours.padStart(10)} ${miredo.padStart(10)} ${ratio.padStart(12)}\n`,
    );
  };
  row('', 'ours', 'miredo', 'ours/miredo');
  for (const name of Object.keys(rounds.ours[0]!)) {
    const ours = rounds.ours.map((figures) => figures[name]!);
    const miredo = rounds.miredo.map((figures) => figures[name]!);
    const ratios = ours.map((value, i) => value / miredo[i]!);
    const digits = name.includes('CPU') ? 2 : 0;
    row(name, median(ours).toFixed(digits), median(miredo).toFixed(digits), median(ratios).toFixed(2));
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
