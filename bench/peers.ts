/**
 * What a packet costs a relay that knows many clients, and one that knows one. On the kernel path. The traffic is spread over all clients:
 * consecutive packets belong to different clients.
 */
import { fileURLToPath } from 'node:url';
import { Answers } from './answers.ts';
import { Crowd } from './crowd.ts';
import { peersCarried, peersCost } from './result/names.ts';
import { alternate } from './row.ts';
import type { Row } from './row.ts';
import { Together } from './together.ts';

const RELAY = fileURLToPath(new URL('./stocked-relay.js', import.meta.url));
/** Packets per second. */
const PACE = 60_000;

export const peers: Row = async (order) => {
  const { results, watch, seconds, quick, say } = order;
  const numbers = quick ? [1, 20_000] : [1, 1_000, 1_000_000];
  await using all = new Together();
  const relays = new Map<string, StockedRelay>();
  for (const clients of numbers) relays.set(String(clients), all.use(await StockedRelay.open(clients)));
  await alternate(order, [...relays.keys()], async (name) => {
    const clients = Number(name);
    const relay = relays.get(name)!;
    const { known, share } = await relay.offer();
    if (known < clients) say(`the kernel carries for ${known} of ${clients}`);
    if (share !== undefined) results.add(peersCarried(clients), 'kernel', share);
    // Down first: after 3 s of silence of a client, one packet a second goes to user space, which checks whether the client is there.
    for (const direction of ['down', 'up'] as const) {
      const { value, busy } = await watch.during(() =>
        relay.crowd.load(direction, { seconds, clients, perSecond: PACE }),
      );
      results.add(peersCost(direction, clients), 'kernel', (busy * 1e6) / value.arrived);
      relay.arrived += value.arrived;
    }
  });
};

class StockedRelay {
  readonly crowd: Crowd;
  /** Packets that arrived since the last offer. */
  arrived = 0;
  private readonly offers: Answers;
  private packets = 0;

  private constructor(crowd: Crowd) {
    this.crowd = crowd;
    this.offers = new Answers(crowd.relay, 'SIGUSR2', 'carried');
  }

  static async open(clients: number): Promise<StockedRelay> {
    const crowd = await Crowd.openWith(async ({ relay }) => {
      const running = relay.spawn(process.execPath, [RELAY, String(clients)]);
      await running.waitFor(/ready/, 60_000);
      return running;
    });
    return new StockedRelay(crowd);
  }

  /**
   * All clients are heard, and offered to the kernel. Returns for how many of them it carries, for 30 s, and which share of the packets that
   * arrived since the last time it has carried.
   */
  async offer(): Promise<{ readonly known: number; readonly share: number | undefined }> {
    const { known, packets } = JSON.parse(await this.offers.ask(60_000)) as {
      known: number;
      packets: number;
    };
    const share = this.arrived === 0 ? undefined : (packets - this.packets) / this.arrived;
    [this.packets, this.arrived] = [packets, 0];
    return { known, share };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.crowd[Symbol.asyncDispose]();
  }
}
