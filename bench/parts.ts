/** The parts of the bench. Each part measures all its variants in turn and reports every figure. */
import { measureFirstReply } from './first-reply.ts';
import { measureTcp, measureUdp } from './iperf.ts';
import { measureMemory } from './memory.ts';
import type { Memory } from './memory.ts';
import { measureNewPeers, measureWithDefaultLimits } from './new-peers.ts';
import { measureWithPeers } from './peers.ts';
import { measureRelay } from './relay-packets.ts';
import { measureLoadedRoundTrip, measureRoundTrip } from './round-trip.ts';
import { TEREDO_VARIANTS, VARIANTS } from './variants.ts';
import type { Variant } from './variants.ts';
import { measureServers } from './server.ts';
import { World } from './world.ts';
import type { LinkKind } from './world.ts';

export type Add = (figure: string, variant: Variant, value: number) => void;

interface Order {
  /** How long each measurement takes. */
  readonly seconds: number;
  readonly links: readonly LinkKind[];
  /** Fewer clients and repetitions. */
  readonly quick: boolean;
  readonly say: (text: string) => void;
  readonly add: Add;
}

type Part = (order: Order) => Promise<void>;

/** Solicitations per second: a rate that every server here can answer. */
const SOLICITATIONS = 60_000;

export const PARTS = {
  tcp: through(async (world, variant, links, seconds, add) => {
    for (const direction of ['up', 'down'] as const)
      for (const streams of [1, 8]) {
        const { megabits, microseconds } = await measureTcp(world, direction, streams, seconds);
        const what = `${links}: TCP ${direction}, ${streams} stream${streams > 1 ? 's' : ''}`;
        add(`${what}, Mbit/s`, variant, megabits);
        if (streams === 1) add(`${what}, us of CPU a segment`, variant, microseconds);
      }
  }),
  udp: through(async (world, variant, links, seconds, add) => {
    for (const size of [100, 1_200])
      add(`${links}: UDP up, ${size} bytes, packets/s`, variant, await measureUdp(world, size, seconds));
  }),
  rtt: through(async (world, variant, links, seconds, add) => {
    add(`${links}: round trip at idle, ms`, variant, await measureRoundTrip(world, 50 * seconds));
    add(`${links}: round trip under load, ms`, variant, await measureLoadedRoundTrip(world, 25 * seconds));
  }),
  relay: async ({ seconds, links: kinds, say, add }) => {
    for (const links of kinds)
      for (const variant of TEREDO_VARIANTS) {
        say(`${links} links, ${variant}`);
        const { up, down } = await measureRelay(variant, links, seconds);
        add(`${links}: relay, UDP to IPv6, packets/s of 1280 bytes`, variant, up.packetsPerSecond);
        add(`${links}: relay, IPv6 to UDP, packets/s of 1280 bytes`, variant, down.packetsPerSecond);
        add(`${links}: relay, UDP to IPv6, us of its CPU a packet`, variant, up.cpuMicroseconds);
        add(`${links}: relay, IPv6 to UDP, us of its CPU a packet`, variant, down.cpuMicroseconds);
      }
  },
  server: async ({ seconds, say, add }) => {
    say('null, miredo, user, kernel');
    const servers = await measureServers(SOLICITATIONS, seconds);
    for (const variant of TEREDO_VARIANTS) {
      add('server, us of CPU an answered solicitation', variant, servers[variant].microseconds);
      add('server, solicitations answered of those asked', variant, servers[variant].answered);
    }
  },
  peers: async ({ seconds, quick, say, add }) => {
    const rates = { up: [] as number[], down: [] as number[] };
    const numbers = quick ? [1_000] : [1, 1_000, 1_000_000];
    for (const clients of numbers) {
      const { up, down, known, inTime } = await measureWithPeers(clients, seconds);
      say(`the kernel carried for ${known} of ${clients}${inTime ? '' : '; too slow: some had lapsed'}`);
      add(`relay, UDP to IPv6, packets/s at ${clients} ${clients > 1 ? 'peers' : 'peer'}`, 'kernel', up);
      add(`relay, IPv6 to UDP, packets/s at ${clients} ${clients > 1 ? 'peers' : 'peer'}`, 'kernel', down);
      rates.up.push(up);
      rates.down.push(down);
    }
    if (quick) return;
    const ratio = `ratio of ${numbers.at(-1)} peers to 1`;
    add(`relay, UDP to IPv6, ${ratio}`, 'kernel', rates.up.at(-1)! / rates.up[0]!);
    add(`relay, IPv6 to UDP, ${ratio}`, 'kernel', rates.down.at(-1)! / rates.down[0]!);
  },
  'new-peers': async ({ seconds, quick, say, add }) => {
    for (const variant of TEREDO_VARIANTS) {
      say(variant);
      const { perSecond, cpuMicroseconds } = await measureNewPeers(variant, seconds, quick ? 2_000 : 20_000);
      add('relay, new peers/s', variant, perSecond);
      add('relay, us of its CPU a new peer', variant, cpuMicroseconds);
    }
    say('kernel, default limits');
    add(
      'relay, new peers/s of one native host, default limits',
      'kernel',
      await measureWithDefaultLimits(10),
    );
  },
  memory: async ({ quick, say, add }) => {
    const [few, ...numbers] = quick ? [5_000, 20_000] : [20_000, 100_000, 1_000_000];
    for (const variant of TEREDO_VARIANTS) {
      say(variant);
      const [before, ...found] = await measureMemory(variant, [few!, ...numbers]);
      found.forEach((memory, i) => {
        const a = (bytes: (of: Memory) => number): number =>
          (bytes(memory) - bytes(before!)) / (numbers[i]! - few!);
        const what = `relay, bytes a peer at ${numbers[i]}`;
        add(
          `${what}: process`,
          variant,
          a((of) => of.process),
        );
        add(
          `${what}: process, collected`,
          variant,
          a((of) => of.collected),
        );
        if (variant === 'kernel')
          add(
            `${what}: kernel`,
            variant,
            a((of) => of.kernel),
          );
        add(
          `${what}: together, collected`,
          variant,
          a((of) => of.collected + of.kernel),
        );
      });
      add(`relay, MB with ${few} peers: process`, variant, before!.collected / 1e6);
      if (variant === 'kernel') add(`relay, MB with ${few} peers: kernel`, variant, before!.kernel / 1e6);
    }
  },
  'first-reply': async ({ quick, say, add }) => {
    for (const variant of TEREDO_VARIANTS) {
      say(variant);
      const { fromClient, fromNative } = await measureFirstReply(variant, quick ? 1 : 7);
      add("first reply to a client's first ping, ms", variant, fromClient);
      add("first reply to a native host's first ping, ms", variant, fromNative);
    }
  },
} satisfies Record<string, Part>;

export type PartName = keyof typeof PARTS;

/** Runs once for each kind of links and each variant, in a world of its own. */
function through(
  measure: (world: World, variant: Variant, links: string, seconds: number, add: Add) => Promise<void>,
): Part {
  return async ({ seconds, links: kinds, say, add }) => {
    for (const links of kinds)
      for (const variant of VARIANTS) {
        say(`${links} links, ${variant}`);
        await using world = await World.open(variant, links);
        await measure(world, variant, links, seconds, add);
      }
  };
}
