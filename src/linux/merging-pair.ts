import { SystemCallError } from './errors.ts';
import { InterfaceChanges } from './interface-changes.ts';
import { E } from './libc.ts';
import { readLink, readLinks } from './links.ts';
import type { Link } from './links.ts';
import { switchFeature } from './offloads.ts';
import { writeSysctl } from './proc.ts';
import { makeVeth, removeLink, setAlias } from './veth.ts';

/** Tells to which tunnel a pair belongs, also after its process has been killed, and which end is the second one. */
const ALIAS = 'teredo merging for ';
const SECOND = ' (second end)';
const KIND = 'veth';
/** Names have at most 15 characters; the end of this one needs 4. */
const MOST_OF_NAME = 11;
const MOST_NUMBER = 99;
/** The most of a veth: the kernel would drop longer packets, although it delivers them by the tunnel. */
const MTU = 65_535;

/**
 * Two virtual interfaces of this host. What is sent by the first one comes in at the second one, where the kernel merges TCP segments (GRO). Neither
 * has an address, IPv6 or a route.
 */
export interface MergingPair {
  readonly first: Link;
  readonly second: Link;
}

/** The name of the tunnel for whose packets an interface exists; undefined: it is no end of a pair. */
export function tunnelOf({ kind, alias }: Pick<Link, 'kind' | 'alias'>): string | undefined {
  return kind === KIND && alias?.startsWith(ALIAS) === true
    ? alias.slice(ALIAS.length).replace(SECOND, '')
    : undefined;
}

/** The pair of a tunnel: of a predecessor, or of a killed process. `links`: the host's interfaces. */
export function findPair(tunnel: string, links: ReadonlyMap<number, Link>): MergingPair | undefined {
  for (const first of links.values()) {
    const second = typeof first.below === 'number' ? links.get(first.below) : undefined;
    if (second !== undefined && first.alias === ALIAS + tunnel && second.alias === ALIAS + tunnel + SECOND)
      return { first, second };
  }
  return undefined;
}

/** Makes the pair of a tunnel, with so many queues; it is down. Throws a SystemCallError. */
export function makePair(tunnel: string, queues: number): MergingPair {
  const taken = new Set([...readLinks().values()].map(({ name }) => name));
  const names = namesFor(tunnel, taken);
  makeVeth(...names, queues);
  const pair = namedPair(...names);
  try {
    setAlias(pair.second.ifindex, ALIAS + tunnel + SECOND);
    setAlias(pair.first.ifindex, ALIAS + tunnel);
    return pair;
  } catch (error) {
    removePair(pair);
    throw error;
  }
}

/** Sets the features by which packets are merged, and takes the pair up. Harmless when repeated. Throws a SystemCallError. */
export function preparePair({ first, second }: MergingPair): void {
  const changes = new InterfaceChanges();
  // A veth whose other end accepts super-packets does not merge.
  switchFeature(first.name, 'tso', false);
  switchFeature(second.name, 'gro', true);
  for (const { name } of [second, first]) {
    writeSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '1'); // not where /proc is read-only
    withoutAddress(changes, name);
    changes.takeUp(name, MTU);
  }
}

/** Whether both ends are there, and up. Throws a SystemCallError. */
export function worksPair({ first, second }: MergingPair): boolean {
  return [first, second].every(({ ifindex }) => readLink(ifindex)?.isUp === true);
}

/** Throws a SystemCallError. */
export function removePair({ first }: MergingPair): void {
  removeLink(first.ifindex);
}

/**
 * Removes what killed processes have left: pairs whose tunnels do not exist, and all of this tunnel, also half made ones, except `kept`. Throws a
 * SystemCallError.
 */
export function removeLeftPairs(links: ReadonlyMap<number, Link>, of: string, kept?: MergingPair): void {
  const names = new Set([...links.values()].map(({ name }) => name));
  for (const link of links.values()) {
    const tunnel = tunnelOf(link);
    const isKept = link === kept?.first || link === kept?.second;
    if (tunnel !== undefined && !isKept && (tunnel === of || !names.has(tunnel))) removeLink(link.ifindex);
  }
}

function namesFor(tunnel: string, taken: ReadonlySet<string>): [string, string] {
  const names: string[] = [];
  for (let i = 0; i <= MOST_NUMBER && names.length < 2; i++) {
    const name = `${tunnel.slice(0, MOST_OF_NAME)}-m${i}`;
    if (!taken.has(name)) names.push(name);
  }
  if (names.length < 2) throw new SystemCallError('RTM_NEWLINK', E.EEXIST);
  return [names[0]!, names[1]!];
}

function namedPair(one: string, other: string): MergingPair {
  const links = [...readLinks().values()];
  const first = links.find(({ name }) => name === one);
  const second = links.find(({ name }) => name === other);
  if (first === undefined || second === undefined) throw new SystemCallError('RTM_GETLINK', E.ENODEV);
  return { first, second };
}

/** Kernels without IPv6 need nothing. */
function withoutAddress(changes: InterfaceChanges, name: string): void {
  try {
    changes.withoutOwnLinkLocal(name);
  } catch (error) {
    if (!(error instanceof SystemCallError) || !['EINVAL', 'EOPNOTSUPP', 'EAFNOSUPPORT'].includes(error.code))
      throw error;
  }
}
