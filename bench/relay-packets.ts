import { fileURLToPath } from 'node:url';
import { Internet, NATIVE_ADDRESS, SERVER_ADDRESS, until } from '../src/lab/index.ts';
import type { Namespace } from '../src/lab/index.ts';
import { cpuSeconds, startRelay, startServer } from './variants.ts';
import type { TeredoVariant } from './variants.ts';
import { cutOnWires } from './world.ts';
import type { LinkKind } from './world.ts';

export interface PacketResult {
  /** 1280-byte packets per second that arrived on the other side of the relay. */
  readonly packetsPerSecond: number;
  /** Microseconds of the relay's process for each of them. */
  readonly cpuMicroseconds: number;
}

const BLASTER = fileURLToPath(new URL('./blaster.js', import.meta.url));
const FLOOD = fileURLToPath(new URL('./flood.js', import.meta.url));
const OWN = '198.51.100.250';

/** Loads a relay from the clients' side, then from the native side. */
export async function measureRelay(
  variant: TeredoVariant,
  links: LinkKind,
  seconds: number,
): Promise<{ readonly up: PacketResult; readonly down: PacketResult }> {
  await using net = new Internet();
  const blaster = net.lab.host('blaster');
  net.attach(blaster, 'wan', OWN);
  if (links === 'wire') cutOnWires(net);
  countAndDrop(net.native, 'v6');
  await startServer(net, 'kernel');
  const relay = await startRelay(net, variant);
  const client = blaster.spawn(process.execPath, [
    BLASTER,
    OWN,
    SERVER_ADDRESS,
    NATIVE_ADDRESS,
    String(seconds),
  ]);
  const [, address] = await client.waitFor(/address (\S+)/);
  const pinging = net.native.spawn('ping', ['-n', '-i', '0.5', address!]);
  await client.waitFor(/trusted/);
  await pinging.stop();

  const measure = async (counted: () => number, load: () => Promise<void>): Promise<PacketResult> => {
    const before = { packets: counted(), cpu: cpuSeconds(relay) };
    await load();
    await settled(counted);
    const packets = counted() - before.packets;
    return {
      packetsPerSecond: packets / seconds,
      cpuMicroseconds: ((cpuSeconds(relay) - before.cpu) * 1e6) / packets,
    };
  };
  const up = await measure(
    () => dropped(net.native, INNER_BYTES),
    async () => {
      client.kill('SIGUSR1');
      await client.waitFor(/sent \d+/, seconds * 1000 + 20_000);
    },
  );
  countAndDrop(blaster, 'wan');
  const down = await measure(
    () => dropped(blaster, OUTER_BYTES),
    async () => {
      const sender = net.native.spawn(process.execPath, [FLOOD, NATIVE_ADDRESS, address!, String(seconds)]);
      await sender.exited;
    },
  );
  return { up, down };
}

/** Counts large packets at the interface where they arrive, then drops them, so that no process spends time on them. */
function countAndDrop(host: Namespace, name: string): void {
  host.nft(`
    table netdev bench {
      chain arrived {
        type filter hook ingress device "${name}" priority 0; policy accept;
        meta length > 1200 counter drop
      }
    }`);
}

/**
 * Estimates the number of packets of `size` bytes from their bytes. A run of datagrams may cross a virtual link as one packet without the
 * headers of all but the first, so the estimate is rather too low.
 */
function dropped(host: Namespace, size: number): number {
  const [, bytes] = /bytes (\d+)/.exec(host.execute('nft', 'list', 'table', 'netdev', 'bench'))!;
  return Math.floor(Number(bytes) / size);
}

/** Sizes of a packet on the native side, and of one in UDP and IPv4. */
const INNER_BYTES = 1280;
const OUTER_BYTES = INNER_BYTES + 8 + 20;

/** Waits until nothing more arrives. */
async function settled(counted: () => number): Promise<void> {
  let last = -1;
  await until(
    'quiet',
    () => {
      const now = counted();
      const quiet = now === last;
      last = now;
      return quiet || undefined;
    },
    10_000,
    200,
  );
}
