/** What is measured: each part goes through its seats in turn and tells every figure. */
import { measureTcp, measureUdp } from './iperf.ts';
import { measureRelay } from './relay-packets.ts';
import { measureLoadedRoundTrip, measureRoundTrip } from './round-trip.ts';
import { MAKERS, SEATS } from './seats.ts';
import type { Seat } from './seats.ts';
import { measureServers } from './server.ts';
import { World } from './world.ts';
import type { LinkKind } from './world.ts';

export type Add = (figure: string, seat: Seat, value: number) => void;

interface Order {
  /** How long each measurement takes. */
  readonly seconds: number;
  readonly links: readonly LinkKind[];
  readonly say: (text: string) => void;
  readonly add: Add;
}

type Part = (order: Order) => Promise<void>;

/** Solicitations a second: what every server here can answer. */
const SOLICITATIONS = 60_000;

export const PARTS = {
  tcp: through(async (world, seat, links, seconds, add) => {
    for (const direction of ['up', 'down'] as const)
      for (const streams of [1, 8]) {
        const { megabits, microseconds } = await measureTcp(world, direction, streams, seconds);
        const what = `${links}: TCP ${direction}, ${streams} stream${streams > 1 ? 's' : ''}`;
        add(`${what}, Mbit/s`, seat, megabits);
        if (streams === 1) add(`${what}, us of CPU a segment`, seat, microseconds);
      }
  }),
  udp: through(async (world, seat, links, seconds, add) => {
    for (const size of [100, 1_200])
      add(`${links}: UDP up, ${size} bytes, packets/s`, seat, await measureUdp(world, size, seconds));
  }),
  rtt: through(async (world, seat, links, seconds, add) => {
    add(`${links}: round trip at idle, ms`, seat, await measureRoundTrip(world, 50 * seconds));
    add(`${links}: round trip under load, ms`, seat, await measureLoadedRoundTrip(world, 25 * seconds));
  }),
  relay: async ({ seconds, links: kinds, say, add }) => {
    for (const links of kinds)
      for (const seat of MAKERS) {
        say(`${links} links, ${seat}`);
        const { up, down } = await measureRelay(seat, links, seconds);
        add(`${links}: relay, UDP to IPv6, packets/s of 1280 bytes`, seat, up.packetsPerSecond);
        add(`${links}: relay, IPv6 to UDP, packets/s of 1280 bytes`, seat, down.packetsPerSecond);
        add(`${links}: relay, UDP to IPv6, us of its CPU a packet`, seat, up.cpuMicroseconds);
        add(`${links}: relay, IPv6 to UDP, us of its CPU a packet`, seat, down.cpuMicroseconds);
      }
  },
  server: async ({ seconds, say, add }) => {
    say('null, miredo, user, kernel');
    const servers = await measureServers(SOLICITATIONS, seconds);
    for (const seat of MAKERS) {
      add('server, us of CPU an answered solicitation', seat, servers[seat].microseconds);
      add('server, solicitations answered of those asked', seat, servers[seat].answered);
    }
  },
} satisfies Record<string, Part>;

export type PartName = keyof typeof PARTS;

/** Once for each kind of links and each seat, in a world of its own. */
function through(
  measure: (world: World, seat: Seat, links: string, seconds: number, add: Add) => Promise<void>,
): Part {
  return async ({ seconds, links: kinds, say, add }) => {
    for (const links of kinds)
      for (const seat of SEATS) {
        say(`${links} links, ${seat}`);
        await using world = await World.open(seat, links);
        await measure(world, seat, links, seconds, add);
      }
  };
}
