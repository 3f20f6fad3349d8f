import { randomBytes } from '../../core/entropy.ts';
import { RANDOM_FLAGS, TEREDO_PORT, buildBubble, makeTeredoAddress, readUint16 } from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../wire/index.ts';
import { ProbeSocket } from './probe-socket.ts';
import type { Patience, ProbePorts } from './probe-socket.ts';

/** How long the NAT keeps a mapping that is silent (RFC 4787 section 4.3), as far as the time given went. */
export interface UdpLifetime {
  /** It was still there after so long; 0: no silence was survived, or none was tried. */
  readonly survivedSeconds: number;
  /** It was gone after so long; left out where it never was. */
  readonly goneAfterSeconds?: number;
  /** The longest silence that was to be tried. */
  readonly longestSeconds: number;
  readonly tookSeconds: number;
}

export interface LifetimeMeasurement {
  readonly server: Ipv4;
  readonly bind?: Ipv4 | undefined;
  readonly roundTripMs: number;
  /** For all of it. */
  readonly limitMs: number;
}

/** RFC 4380 section 5.2.7 step 5: it ends when this share of a time that is known to be too long has held. */
const CLOSE_ENOUGH = 0.75;
/** RFC 4380 section 5.2.7: nothing longer is of use. */
const LONGEST_MS = 120_000;
/** Of the time given: three silences, of 1/2, 3/4 and 5/8 of the longest, and the questions between them. */
const LONGEST_SHARE = 0.4;
/**
 * A mapping in use, as that of a client that refreshes it, counts. Linux keeps one for 30 s at first, and for 120 s once both sides
 * have spoken when it was more than 2 s old.
 */
const SETTLING_MS = 2_500;
/** A bubble may get lost, and so may the one question before it. */
const PROBES = 3;
const HOP_LIMIT = 255;

/**
 * The method of RFC 4380 section 5.2.7, by bisection: a socket that the server has just answered, and some time before that, keeps silent
 * for a while, then a second one has the server send it a bubble. Undefined where no bubble comes even at once: the server forwards none,
 * or does not answer any more.
 */
export async function measureLifetime(
  { server, bind, roundTripMs, limitMs }: LifetimeMeasurement,
  ports: ProbePorts,
): Promise<UdpLifetime | undefined> {
  const { clock } = ports;
  const patience: Patience = { times: PROBES, intervalMs: Math.min(Math.max(2 * roundTripMs, 500), 1_500) };
  const [silent, prober] = [new ProbeSocket(ports, bind), new ProbeSocket(ports, bind)];
  const startedAt = clock.now();
  /** Asking and probing, when all of it has to be repeated. */
  const overheadMs = SETTLING_MS + 4 * PROBES * patience.intervalMs;
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => void clock.setTimer(clock.now() + ms, resolve));
  const holds = async (silenceMs: number): Promise<boolean | undefined> => {
    await silent.ask({ target: server }, patience);
    await wait(SETTLING_MS);
    const answer = await silent.ask({ target: server }, patience);
    if (answer === undefined) return undefined;
    await wait(silenceMs);
    return await isReached(silent, answer.mapped, prober, server, patience, ports);
  };
  let longestMs = Math.min(LONGEST_MS, LONGEST_SHARE * limitMs);
  const triedMs = longestMs;
  try {
    if ((await holds(0)) !== true) return undefined;
    let survivedMs = 0;
    let goneMs: number | undefined;
    while (survivedMs < CLOSE_ENOUGH * longestMs) {
      const candidateMs = (survivedMs + longestMs) / 2;
      if (clock.now() - startedAt + candidateMs + overheadMs > limitMs) break;
      const held = await holds(candidateMs);
      if (held === undefined) break;
      if (held) survivedMs = candidateMs;
      else goneMs = longestMs = candidateMs;
    }
    return {
      survivedSeconds: survivedMs / 1_000,
      ...(goneMs === undefined ? {} : { goneAfterSeconds: goneMs / 1_000 }),
      longestSeconds: triedMs / 1_000,
      tookSeconds: Math.round((clock.now() - startedAt) / 100) / 10,
    };
  } finally {
    silent.close();
    prober.close();
  }
}

/** The prober's own mapping may have gone meanwhile: the server forwards only packets that come from the pair inside their source. */
async function isReached(
  silent: ProbeSocket,
  mapped: Endpoint,
  prober: ProbeSocket,
  server: Ipv4,
  patience: Patience,
  { entropy }: ProbePorts,
): Promise<boolean | undefined> {
  const answer = await prober.ask({ target: server }, patience);
  if (answer === undefined) return undefined;
  const flags = readUint16(randomBytes(entropy, 2), 0) & RANDOM_FLAGS; // U-1
  const address = (of: Endpoint): Ipv6 =>
    makeTeredoAddress({ server, flags, mappedAddress: of.address, mappedPort: of.port });
  const bubble = buildBubble(address(answer.mapped), address(mapped), HOP_LIMIT);
  const arrived = await silent.repeat(
    () => prober.send(bubble, { address: server, port: TEREDO_PORT }),
    (bytes) => silent.holdsBubble(bytes, bubble) || undefined,
    patience,
  );
  return arrived === true;
}
