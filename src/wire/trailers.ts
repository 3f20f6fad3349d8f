import { copyBytes, readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import type { Endpoint, Ipv4 } from './ipv4.ts';

/** How a client's NAT chooses external ports: always the same, consecutive, or random. Needed by a peer that guesses one. */
export type PortHabit = 'stable' | 'counting' | 'random';

/** Two clients of this program agree to guess ports if RFC 6081 does not connect them: docs/adr/0016. */
export interface GuessTrailer {
  readonly habit: PortHabit;
  /** For a counting NAT: the external port that it will use next, and the step to the one after. 0: not known yet. */
  readonly port: number;
  readonly step: number;
  /** 32 unpredictable bits of the sender, and those that the sender has received from its peer; 0: none yet. */
  readonly token: number;
  readonly echo: number;
}

/** The trailers received after an IPv6 packet. RFC 6081 section 4. */
export interface Trailers {
  /** Offset of the four octets of a Nonce trailer. */
  nonce: number | undefined;
  /** One to four pairs, each a unicast address (private ones too) and a port other than 0. */
  alternates: Endpoint[] | undefined;
  neighborDiscovery: 'solicitation' | 'advertisement' | undefined;
  randomPort: number | undefined;
  guess: GuessTrailer | undefined;
  /** There was a trailer of type 01xxxxxx: a client drops the whole packet. E-3 */
  discard: boolean;
  /** An Alternate Address trailer breaks the rules of its section: its bubble is dropped. E-92 */
  malformedAlternate: boolean;
  /** How many trailers were skipped: unknown type, or a known one with a length or value it cannot have (E-12). */
  unknown: number;
}

/** RFC 6081 section 4; Random Port is 5 by erratum 2685 (E-11). */
const TYPE = { NONCE: 1, ALTERNATE_ADDRESS: 3, NEIGHBOR_DISCOVERY: 4, RANDOM_PORT: 5, GUESS: 0xb6 } as const;

/** Octets of the Guess trailer. Its type is one that other implementations skip (10xxxxxx). E-3 */
const GUESS_LENGTH = 12;
/** Octets of type and length in front of each value. RFC 6081 section 4 */
const TRAILER_HEADER = 2;
/** RFC 6081 section 4.3: the most pairs in an Alternate Address trailer, and the octets of reserved bits in front of them. E-8 */
const MOST_ALTERNATES = 4;
const RESERVED_LENGTH = 2;
const PAIR_LENGTH = 6;

/** Octets of the longest value of each kind. */
const LONGEST: Readonly<Record<keyof typeof TYPE, number>> = {
  NONCE: 4,
  ALTERNATE_ADDRESS: RESERVED_LENGTH + MOST_ALTERNATES * PAIR_LENGTH,
  NEIGHBOR_DISCOVERY: 4,
  RANDOM_PORT: 2,
  GUESS: GUESS_LENGTH,
};

/** Octets of one trailer of each kind, each as long as it can be: room for all trailers that a bubble may have. */
export const MAX_TRAILER_BYTES = Object.values(LONGEST).reduce(
  (sum, length) => sum + TRAILER_HEADER + length,
  0,
);

const HABITS: readonly PortHabit[] = ['stable', 'counting', 'random'];

/** Reads trailers in order. A malformed one ends the reading; those before it are kept (E-4, E-5). Of several of one kind the last counts. */
export function parseTrailers(b: Uint8Array, start: number, end: number): Readonly<Trailers> {
  if (end - start < 2) return NONE;
  const trailers = none();
  let at = start;
  while (end - at >= 2 && end - at >= 2 + b[at + 1]) {
    takeTrailer(b, at, trailers);
    at += 2 + b[at + 1];
  }
  return trailers;
}

/** `nonce`: four octets at `nonceOffset`. Returns the end offset, like all writers here. E-7 */
export function writeNonce(b: Uint8Array, o: number, nonce: Uint8Array, nonceOffset = 0): number {
  b[o] = TYPE.NONCE;
  b[o + 1] = 4;
  copyBytes(nonce, nonceOffset, b, o + 2, 4);
  return o + 6;
}

/** One to four pairs. E-8 */
export function writeAlternateAddresses(b: Uint8Array, o: number, alternates: readonly Endpoint[]): number {
  b[o] = TYPE.ALTERNATE_ADDRESS;
  b[o + 1] = 2 + 6 * alternates.length;
  writeUint16(b, o + 2, 0);
  let at = o + 4;
  for (const { address, port } of alternates) {
    writeUint32(b, at, address);
    writeUint16(b, at + 4, port);
    at += 6;
  }
  return at;
}

/** E-10 */
export function writeNeighborDiscovery(
  b: Uint8Array,
  o: number,
  type: 'solicitation' | 'advertisement',
): number {
  b[o] = TYPE.NEIGHBOR_DISCOVERY;
  b[o + 1] = 4;
  writeUint32(b, o + 2, type === 'solicitation' ? 0 : 0x01000000);
  return o + 6;
}

/** E-11 */
export function writeRandomPort(b: Uint8Array, o: number, port: number): number {
  b[o] = TYPE.RANDOM_PORT;
  b[o + 1] = 2;
  writeUint16(b, o + 2, port);
  return o + 4;
}

/** docs/adr/0016 */
export function writeGuess(b: Uint8Array, o: number, guess: GuessTrailer): number {
  b[o] = TYPE.GUESS;
  b[o + 1] = GUESS_LENGTH;
  b[o + 2] = HABITS.indexOf(guess.habit);
  b[o + 3] = guess.step;
  writeUint16(b, o + 4, guess.port);
  writeUint32(b, o + 6, guess.token);
  writeUint32(b, o + 10, guess.echo);
  return o + 2 + GUESS_LENGTH;
}

function none(): Trailers {
  return {
    nonce: undefined,
    alternates: undefined,
    neighborDiscovery: undefined,
    randomPort: undefined,
    guess: undefined,
    discard: false,
    malformedAlternate: false,
    unknown: 0,
  };
}

/** Shared, so that a plain bubble costs nothing. */
const NONE: Readonly<Trailers> = Object.freeze(none());

function takeTrailer(b: Uint8Array, at: number, trailers: Trailers): void {
  const type = b[at];
  const length = b[at + 1];
  if (type === TYPE.ALTERNATE_ADDRESS) takeAlternates(b, at + 2, length, trailers);
  else if (type === TYPE.NONCE && length === 4) trailers.nonce = at + 2;
  else if (type === TYPE.RANDOM_PORT && length === 2) trailers.randomPort = readUint16(b, at + 2);
  else if (type === TYPE.NEIGHBOR_DISCOVERY && length === 4 && b[at + 2] <= 1)
    trailers.neighborDiscovery = b[at + 2] === 0 ? 'solicitation' : 'advertisement';
  else if (type === TYPE.GUESS && length === GUESS_LENGTH && b[at + 2] < HABITS.length)
    trailers.guess = guessAt(b, at + 2);
  else if ((type & 0xc0) === 0x40) trailers.discard = true;
  else trailers.unknown++;
}

function guessAt(b: Uint8Array, o: number): GuessTrailer {
  return {
    habit: HABITS[b[o]],
    step: b[o + 1],
    port: readUint16(b, o + 2),
    token: readUint32(b, o + 4),
    echo: readUint32(b, o + 8),
  };
}

function takeAlternates(b: Uint8Array, o: number, length: number, trailers: Trailers): void {
  const alternates = ALTERNATE_LENGTHS.has(length) ? endpointsAt(b, o + 2, o + length) : [];
  if (alternates.length > 0 && alternates.every(isReachable)) trailers.alternates = alternates;
  else trailers.malformedAlternate = true;
}

/** One to four pairs. E-8 */
const ALTERNATE_LENGTHS: ReadonlySet<number> = new Set(
  Array.from({ length: MOST_ALTERNATES }, (_, i) => RESERVED_LENGTH + (i + 1) * PAIR_LENGTH),
);

function endpointsAt(b: Uint8Array, start: number, end: number): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (let at = start; at < end; at += 6) {
    endpoints.push({ address: readUint32(b, at), port: readUint16(b, at + 4) });
  }
  return endpoints;
}

function isReachable({ address, port }: Endpoint): boolean {
  return isUnicast(address) && port !== 0;
}

/** Private addresses are allowed: the trailer exists for them. "This network", loopback, multicast and broadcast are not. E-96 */
function isUnicast(address: Ipv4): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && (first < 224 || first > 239) && address !== 0xffffffff;
}
