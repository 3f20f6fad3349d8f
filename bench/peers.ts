/** Whether a relay that knows many clients carries packets as fast as one that knows one client. */
import { fileURLToPath } from 'node:url';
import { Crowd } from './crowd.ts';

export interface Rates {
  /** Packets per second that arrived on the other side. */
  readonly up: number;
  readonly down: number;
  /** The number of clients that the kernel carried. */
  readonly known: number;
  /** Whether all of them still counted as heard when the last packet was sent to them. */
  readonly inTime: boolean;
}

const RELAY = fileURLToPath(new URL('./stocked-relay.js', import.meta.url));

/** On the kernel path. The traffic is spread over all clients: consecutive packets belong to different clients. */
export async function measureWithPeers(clients: number, seconds: number): Promise<Rates> {
  await using crowd = await Crowd.openWith(async ({ relay }) => {
    const running = relay.spawn(process.execPath, [RELAY, String(clients)]);
    await running.waitFor(/ready/, 60_000);
    return running;
  });
  crowd.relay.kill('SIGUSR2');
  const [, known, ms] = await crowd.relay.waitFor(/carried for (\d+) after (\d+) ms/, 60_000);
  // Down first: after 3 s of silence of a client, one packet a second goes to user space, which checks whether the client is there.
  const down = await crowd.load('down', clients, seconds);
  const up = await crowd.load('up', clients, seconds);
  return {
    up: up.arrived / up.seconds,
    down: down.arrived / down.seconds,
    known: Number(known),
    inTime: Number(ms) + 2_000 * seconds < VALID_MS,
  };
}

/** PEER_VALIDITY_MS, less some time in which programs start. */
const VALID_MS = 27_000;
