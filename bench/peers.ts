/** Whether a relay that knows many clients carries packets as fast as one that knows one. */
import { fileURLToPath } from 'node:url';
import { Crowd } from './crowd.ts';

export interface Rates {
  /** Packets a second that came out on the other side. */
  readonly up: number;
  readonly down: number;
  /** For how many clients the kernel carried. */
  readonly known: number;
  /** Whether all of them still counted as heard when the last packet went to them. */
  readonly inTime: boolean;
}

const RELAY = fileURLToPath(new URL('./stocked-relay.js', import.meta.url));

/** On the kernel path; traffic is spread over all clients, each packet another client's than the one before. */
export async function measureWithPeers(clients: number, seconds: number): Promise<Rates> {
  await using crowd = await Crowd.openWith(async ({ relay }) => {
    const running = relay.spawn(process.execPath, [RELAY, String(clients)]);
    await running.waitFor(/ready/, 60_000);
    return running;
  });
  crowd.relay.kill('SIGUSR2');
  const [, known, ms] = await crowd.relay.waitFor(/carried for (\d+) after (\d+) ms/, 60_000);
  // Down first: from clients that have been silent for 3 s a packet a second goes to user space, for it to ask whether they are there.
  const down = await crowd.load('down', clients, seconds);
  const up = await crowd.load('up', clients, seconds);
  return {
    up: up.arrived / up.seconds,
    down: down.arrived / down.seconds,
    known: Number(known),
    inTime: Number(ms) + 2_000 * seconds < VALID_MS,
  };
}

/** PEER_VALIDITY_MS, less some time for programs to start. */
const VALID_MS = 27_000;
