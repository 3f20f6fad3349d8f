import { createHash } from 'node:crypto';
import { SystemCallError } from './errors.ts';
import { InterfaceChanges } from './interface-changes.ts';
import { E } from './libc.ts';
import { readLink, readLinks } from './links.ts';
import type { Link } from './links.ts';
import { switchFeature } from './offloads.ts';
import { writeSysctl } from './proc.ts';
import { makeVeth, removeLink, setAlias } from './veth.ts';
import type { VethEnd } from './veth.ts';

const KIND = 'veth';
/** Names have at most 15 characters; the end of this one needs 4. */
const MOST_OF_NAME = 11;
const MOST_NUMBER = 99;
/** The most of a veth: the kernel would drop longer packets, although it delivers them by the tunnel. */
const MTU = 65_535;
/** The first octet of an address that no maker of hardware has given. IEEE 802 */
const LOCAL = 2;

/** An interface for whose packets there is a pair. */
export type Tunnel = Pick<Link, 'name' | 'ifindex'>;

const ENDS = ['first', 'second'] as const;
type End = (typeof ENDS)[number];

/**
 * Two virtual interfaces of this host. What is sent by the first one comes in at the second one, where the kernel merges TCP segments (GRO). Neither
 * has an IP address or a route.
 */
export interface MergingPair {
  readonly first: Link;
  readonly second: Link;
}

/** The link address of an end when it is made. It is the same in each process with a tunnel of this name. */
export function addressOf(tunnel: string, end: End): number[] {
  const hash = createHash('sha256').update(`teredo merging for ${tunnel}`).digest();
  return [LOCAL, ...hash.subarray(0, 4), end === 'first' ? 0 : 1];
}

/** The pair of a tunnel: that of a predecessor or of a killed process, or a new one, with so many queues, which is down. Throws a SystemCallError. */
export function pairFor(tunnel: Tunnel, queues: number): MergingPair {
  const found = findPair(tunnel, readLinks());
  if (found === undefined) return makePair(tunnel, queues);
  setAliases(found, tunnel);
  return found;
}

/** The pair that a tunnel has, or that a killed process with a tunnel of this name has left. `links`: the host's interfaces. */
export function findPair(tunnel: Tunnel, links: ReadonlyMap<number, Link>): MergingPair | undefined {
  for (const first of links.values()) {
    const second = typeof first.below === 'number' ? links.get(first.below) : undefined;
    if (second === undefined || ownerOf(first)?.end !== 'first' || ownerOf(second)?.end !== 'second')
      continue;
    if ([first, second].every((link) => isFor(tunnel, ownerOf(link)!, links))) return { first, second };
  }
  return undefined;
}

/** Makes the pair of a tunnel. Throws a SystemCallError: {@link removeLeftPairs} finds a half made one then. */
export function makePair(tunnel: Tunnel, queues: number): MergingPair {
  const [one, other] = makeEnds(tunnel.name, queues);
  const links = [...readLinks().values()];
  const first = links.find(({ name }) => name === one);
  const second = links.find(({ name }) => name === other);
  if (first === undefined || second === undefined) throw new SystemCallError('RTM_GETLINK', E.ENODEV);
  setAliases({ first, second }, tunnel);
  return { first, second };
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

/**
 * Removes pairs that killed processes have left: all of this tunnel, also half made ones, except `kept`; and pairs of other tunnels that do not
 * exist. The pair of another tunnel that exists stays, also if that has another name now. Throws a SystemCallError.
 */
export function removeLeftPairs(links: ReadonlyMap<number, Link>, tunnel: Tunnel, kept?: MergingPair): void {
  const names = new Set([...links.values()].map(({ name }) => name));
  const addresses = ENDS.map((end) => String(addressOf(tunnel.name, end)));
  for (const link of links.values()) {
    if (link === kept?.first || link === kept?.second) continue;
    const owner = ownerOf(link);
    const isLeft =
      owner === undefined
        ? isUnnamed(link) && addresses.includes(String(link.linkAddress))
        : isFor(tunnel, owner, links) || !(links.has(owner.ifindex) || names.has(owner.name));
    if (isLeft) removeLink(link.ifindex);
  }
}

/** Whether an interface is an end of a pair, of any tunnel. */
export function isPairEnd(link: Link): boolean {
  return ownerOf(link) !== undefined;
}

/** The tunnel for whose packets an end of a pair exists. */
interface Owner extends Tunnel {
  readonly end: End;
}

/** The alias tells to which tunnel a pair belongs, also after its process has been killed. */
function setAliases({ first, second }: MergingPair, { name, ifindex }: Tunnel): void {
  setAlias(second.ifindex, `teredo merging for ${name}, interface ${ifindex}, second end`);
  setAlias(first.ifindex, `teredo merging for ${name}, interface ${ifindex}, first end`);
}

/** Undefined: it is no end of a pair. */
function ownerOf({ kind, alias = '' }: Link): Owner | undefined {
  const match = /^teredo merging for (.+), interface (\d+), (first|second) end$/.exec(alias);
  if (kind !== KIND || match === null) return undefined;
  return { name: match[1]!, ifindex: Number(match[2]), end: match[3] === 'first' ? 'first' : 'second' };
}

/** Whether a pair with this owner is the tunnel's: of an interface with the same name that exists no longer, or its own. */
function isFor(tunnel: Tunnel, owner: Owner, links: ReadonlyMap<number, Link>): boolean {
  return owner.ifindex === tunnel.ifindex || (owner.name === tunnel.name && !links.has(owner.ifindex));
}

/** A process may have made it, and then could not set the alias. */
function isUnnamed({ kind, alias }: Link): boolean {
  return kind === KIND && alias === undefined;
}

/** Makes a veth with names that no other interface has. Another process may take names at the same time: then the next ones are tried. */
function makeEnds(tunnel: string, queues: number): [string, string] {
  const taken = new Set([...readLinks().values()].map(({ name }) => name));
  for (;;) {
    const [first, second] = namesFor(tunnel, taken);
    try {
      const end = (name: string, which: End): VethEnd => ({ name, address: addressOf(tunnel, which) });
      makeVeth(end(first, 'first'), end(second, 'second'), queues);
      return [first, second];
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== 'EEXIST') throw error;
      taken.add(first).add(second);
    }
  }
}

/** Throws a SystemCallError if fewer than two names are left. */
function namesFor(tunnel: string, taken: ReadonlySet<string>): [string, string] {
  const names: string[] = [];
  for (let i = 0; i <= MOST_NUMBER && names.length < 2; i++) {
    const name = `${tunnel.slice(0, MOST_OF_NAME)}-m${i}`;
    if (!taken.has(name)) names.push(name);
  }
  if (names.length < 2) throw new SystemCallError('RTM_NEWLINK', E.EEXIST);
  return [names[0]!, names[1]!];
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
