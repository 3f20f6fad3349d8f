import { TUNNEL_MTU } from '../constants.ts';
import { bucketPart, fairPart } from '../limit-parts.ts';
import type { Indivisible } from '../limit-parts.ts';
import type { RelayLimits } from './limits.ts';

/**
 * The limits for one of several workers, each of which has some of the clients. A limit for one client is whole: a client always meets the same
 * worker. All others are divided. What one member of a group may take of its reserve is at least one token in each worker; the reserve, which is
 * divided, is the limit.
 */
export function relayWorkersPart(limits: RelayLimits, workers: number): RelayLimits {
  if (workers === 1) return limits;
  const part = 1 / workers;
  const whole = (count: number): number => Math.floor(count * part);
  const { peers, contacts, waiting } = limits;
  return {
    ...limits,
    peers: { trusted: whole(peers.trusted), unverified: whole(peers.unverified) },
    contacts: { ...contacts, bytes: whole(contacts.bytes) },
    waiting: {
      packetsPerSource: whole(waiting.packetsPerSource),
      bytesPerSource: whole(waiting.bytesPerSource),
      packets: whole(waiting.packets),
      bytes: whole(waiting.bytes),
    },
    bySource: fairPart(limits.bySource, part),
    sourceEarnings: bucketPart(limits.sourceEarnings, part),
    byServer: fairPart(limits.byServer, part),
    serverEarnings: bucketPart(limits.serverEarnings, part),
    byClient: bucketPart(limits.byClient, part),
    errors: bucketPart(limits.errors, part),
  };
}

/** The first limit whose parts would be less than one peer, token or packet; undefined: there is none. Zero needs no parts. */
export function indivisibleRelayLimit(limits: RelayLimits, workers: number): Indivisible | undefined {
  if (workers === 1) return undefined;
  return [...countsOf(limits, workers), ...burstsOf(limits, workers)].find(
    ({ value, least }) => value > 0 && value < least,
  );
}

function* countsOf({ peers, contacts, waiting }: RelayLimits, workers: number): Generator<Indivisible> {
  const packet = workers * TUNNEL_MTU;
  yield { name: 'peers.trusted', value: peers.trusted, least: workers };
  yield { name: 'peers.unverified', value: peers.unverified, least: workers };
  yield { name: 'contacts.bytes', value: contacts.bytes, least: packet };
  for (const name of ['packetsPerSource', 'packets'] as const)
    yield { name: `waiting.${name}`, value: waiting[name], least: workers };
  for (const name of ['bytesPerSource', 'bytes'] as const)
    yield { name: `waiting.${name}`, value: waiting[name], least: packet };
}

function* burstsOf(limits: RelayLimits, least: number): Generator<Indivisible> {
  for (const name of ['bySource', 'byServer'] as const)
    for (const part of ['shared', 'reserve'] as const)
      yield { name: `${name}.${part}.burst`, value: limits[name][part].burst, least };
  for (const name of ['sourceEarnings', 'serverEarnings', 'byClient', 'errors'] as const)
    yield { name: `${name}.burst`, value: limits[name].burst, least };
}
