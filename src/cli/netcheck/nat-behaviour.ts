import { randomBytes } from '../../core/entropy.ts';
import { buildBubble, formatIpv4 } from '../../wire/index.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import { allocationOf, preservationOf } from './port-allocation.ts';
import type { PortAllocation, PortPreservation } from './port-allocation.ts';
import { ProbeSocket } from './probe-socket.ts';
import type { Patience, ProbeAnswer, ProbePorts } from './probe-socket.ts';

/**
 * RFC 4787 section 4.1. All Teredo servers listen on the same port, so that a mapping which depends on the address only looks like
 * one that depends on the port as well.
 */
export type Mapping = 'endpoint-independent' | 'address-dependent-or-stricter' | 'unknown';

/** RFC 4787 section 5. Only a NAT that hairpins, and filters that too, lets the two stricter ones be distinguished. */
export type Filtering =
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'address-dependent-or-stricter'
  | 'unknown';

/** RFC 4787 section 6. */
export type Hairpinning = 'yes' | 'no' | 'unknown';

export interface NatBehaviour {
  /** No NAT: servers see an address and port of the host's own. */
  readonly present: boolean;
  readonly mapping: Mapping;
  /** Server addresses that have reported the mapping of one socket. */
  readonly seenFrom: readonly string[];
  readonly filtering: Filtering;
  readonly portPreservation: PortPreservation;
  readonly portAllocation: PortAllocation;
  /** Of an allocation that counts: from one new mapping to the next, negative when it counts down. */
  readonly portStep?: number;
  readonly hairpinning: Hairpinning;
  /** Addresses of the NAT; several where it has a pool. */
  readonly externalAddresses: readonly string[];
}

export interface ServerAddresses {
  readonly primary: Ipv4;
  readonly secondary: Ipv4 | undefined;
}

export interface NatMeasurement {
  /** Servers that answer, the best first. */
  readonly servers: readonly ServerAddresses[];
  readonly bind?: Ipv4 | undefined;
  /** Of the socket whose mapping is looked at: a port that is forwarded has another than any other. */
  readonly port?: number | undefined;
  /** To the best server. */
  readonly roundTripMs: number;
}

/** More would tell nothing more. */
const MOST_SERVERS = 8;
/** Fresh sockets, each of which asks both addresses of one server. */
const FRESH_SOCKETS = 4;
/** Asked twice at the most; once more where silence says something. */
const [TIMES, TIMES_FOR_SILENCE] = [2, 3];
const [LEAST_PATIENCE_MS, MOST_PATIENCE_MS] = [400, 1_000];
/** A server's other address may be farther away than the one that the round trip was measured to. */
const ROUND_TRIPS = 2;
const HOP_LIMIT = 255;

/**
 * The behaviour of the NAT between here and the servers, in RFC 4787's terms:
 *
 *     1. one socket asks all addresses of all servers: the same mapping?                 another one asks with the cone bit: let in?
 *     2. fresh sockets ask both addresses of the best server at once: which ports, in which order?
 *     3. one sends to another's mapped pair: does that come back? If not, and once it was sent to: its address, its port?
 *
 * Takes less than 3 s where round trips are usual, 8 s at the most, and sends no address of a server more than 13 datagrams.
 */
export async function measureNat(measurement: NatMeasurement, ports: ProbePorts): Promise<NatBehaviour> {
  const sockets: ProbeSocket[] = [];
  const open = (port?: number): ProbeSocket => {
    const socket = new ProbeSocket(ports, measurement.bind, port);
    sockets.push(socket);
    return socket;
  };
  const patience: Patience = {
    times: TIMES,
    intervalMs: Math.min(
      Math.max(ROUND_TRIPS * measurement.roundTripMs, LEAST_PATIENCE_MS),
      MOST_PATIENCE_MS,
    ),
  };
  const servers = measurement.servers.slice(0, MOST_SERVERS);
  try {
    const subject = open(measurement.port);
    const [seen, isOpen] = await Promise.all([
      askAll(subject, servers.flatMap(addressesOf), patience),
      letsInOthers(open(), servers, { ...patience, times: TIMES_FOR_SILENCE }),
    ]);
    const fresh = Array.from({ length: FRESH_SOCKETS }, () => open());
    const samples = await askInOrder(fresh, addressesOf(servers[0]!), patience);
    const mapping = mappingOf(seen);
    const mappings = [...seen, ...samples.flat()].flatMap((answer) => answer?.mapped ?? []);
    const present = !seen.some(({ mapped }) => isOwn(mapped, subject.local, ports));
    const firstFiltering = filteringOf(isOpen, seen, servers);
    const hairpin = present
      ? await tryHairpin(
          { subject, seen, fresh, samples, mapping, filtering: firstFiltering },
          ports,
          patience,
        )
      : NO_HAIRPIN;
    const primaries = samples.map(([first]) => first?.mapped.port);
    return {
      present,
      mapping,
      seenFrom: seen.map(({ target }) => formatIpv4(target)),
      filtering: hairpin.filtering ?? firstFiltering,
      portPreservation: preservationOf(
        fresh.map(({ local }) => local.port),
        primaries,
      ),
      ...allocationOf(
        fresh.map(({ local }) => local.port),
        samples.map((answers) => answers.map((answer) => answer?.mapped.port)),
      ),
      hairpinning: hairpin.hairpinning,
      externalAddresses: [...new Set(mappings.map(({ address }) => formatIpv4(address)))],
    };
  } finally {
    for (const socket of sockets) socket.close();
  }
}

function addressesOf({ primary, secondary }: ServerAddresses): Ipv4[] {
  return secondary === undefined ? [primary] : [primary, secondary];
}

async function askAll(
  socket: ProbeSocket,
  targets: readonly Ipv4[],
  patience: Patience,
): Promise<ProbeAnswer[]> {
  const answers = await Promise.all([...new Set(targets)].map((target) => socket.ask({ target }, patience)));
  return answers.filter((answer) => answer !== undefined);
}

/** The questions leave in this order, one right behind the other: so does a NAT give its ports away. */
function askInOrder(
  sockets: readonly ProbeSocket[],
  targets: readonly Ipv4[],
  patience: Patience,
): Promise<(ProbeAnswer | undefined)[][]> {
  return Promise.all(
    sockets.map((socket) => Promise.all(targets.map((target) => socket.ask({ target }, patience)))),
  );
}

/** Whether an address that this socket has sent nothing to gets through to it. */
async function letsInOthers(
  socket: ProbeSocket,
  servers: readonly ServerAddresses[],
  patience: Patience,
): Promise<boolean> {
  const asked = new Set(servers.map(({ primary }) => primary));
  const answers = servers.map(async ({ primary }) => {
    const answer = await socket.ask({ target: primary, cone: true }, patience);
    if (answer === undefined || asked.has(answer.from))
      throw new Error('an answer from an address that was not asked');
  });
  return await Promise.any(answers).then(
    () => true,
    () => false,
  );
}

function mappingOf(seen: readonly ProbeAnswer[]): Mapping {
  const [first] = seen;
  if (first === undefined) return 'unknown';
  if (seen.some(({ mapped }) => !isSame(mapped, first.mapped))) return 'address-dependent-or-stricter';
  return new Set(seen.map(({ from }) => from)).size > 1 ? 'endpoint-independent' : 'unknown';
}

/** Silence is the NAT's doing only where the server's other address is known to answer, and was not asked itself. */
function filteringOf(
  isOpen: boolean,
  seen: readonly ProbeAnswer[],
  servers: readonly ServerAddresses[],
): Filtering {
  if (isOpen) return 'endpoint-independent';
  const answers = (address: Ipv4 | undefined): boolean => seen.some(({ from }) => from === address);
  const asked = new Set<Ipv4 | undefined>(servers.map(({ primary }) => primary));
  return servers.some(
    ({ primary, secondary }) => !asked.has(secondary) && answers(primary) && answers(secondary),
  )
    ? 'address-dependent-or-stricter'
    : 'unknown';
}

interface HairpinGround {
  readonly subject: ProbeSocket;
  readonly seen: readonly ProbeAnswer[];
  readonly fresh: readonly ProbeSocket[];
  readonly samples: readonly (readonly (ProbeAnswer | undefined)[])[];
  readonly mapping: Mapping;
  readonly filtering: Filtering;
}

interface HairpinResult {
  readonly hairpinning: Hairpinning;
  /** Its evidence on filtering. */
  readonly filtering?: Filtering;
}

const NO_HAIRPIN: HairpinResult = { hairpinning: 'unknown' };

/**
 * A NAT may let its own hosts in without a filter, so that a bubble which arrives at once says nothing about filtering. One that arrives
 * only after the subject has sent something to the NAT's own address, or to the sender's very port there, does.
 */
async function tryHairpin(
  { subject, seen, fresh, samples, mapping, filtering }: HairpinGround,
  ports: ProbePorts,
  patience: Patience,
): Promise<HairpinResult> {
  const target = seen[0]?.mapped;
  const [sender, other] = fresh;
  const [senderAt, otherAt] = [samples[0]?.[0]?.mapped, samples[1]?.[0]?.mapped];
  if (target === undefined || sender === undefined || senderAt === undefined) return NO_HAIRPIN;
  const arrives = (): Promise<true | undefined> => {
    const bubble = buildBubble(randomBytes(ports.entropy, 16), randomBytes(ports.entropy, 16), HOP_LIMIT);
    return subject.repeat(
      () => sender.send(bubble, target),
      (bytes) => subject.holdsBubble(bytes, bubble) || undefined,
      // Nearer than any server.
      { times: 2, intervalMs: patience.intervalMs / 2 },
    );
  };
  if ((await arrives()) === true) return { hairpinning: 'yes' };
  // From behind such a mapping the subject comes from elsewhere when it sends to the NAT itself: nothing is opened.
  if (mapping !== 'endpoint-independent') return NO_HAIRPIN;
  const opener = buildBubble(randomBytes(ports.entropy, 16), randomBytes(ports.entropy, 16), HOP_LIMIT);
  if (filtering !== 'endpoint-independent' && other !== undefined && otherAt !== undefined) {
    subject.send(opener, otherAt);
    if ((await arrives()) === true) return { hairpinning: 'yes', filtering: 'address-dependent' };
  }
  subject.send(opener, senderAt);
  if ((await arrives()) !== true) return { hairpinning: 'no' };
  const isTold = filtering !== 'endpoint-independent' && otherAt !== undefined;
  return isTold ? { hairpinning: 'yes', filtering: 'address-and-port-dependent' } : { hairpinning: 'yes' };
}

function isOwn(mapped: Endpoint, local: Endpoint, { network }: ProbePorts): boolean {
  return (
    mapped.port === local.port && network.ipv4Subnets().some(({ address }) => address === mapped.address)
  );
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}
