import { lookup } from 'node:dns/promises';
import type { ServerCandidate } from '../core/client/index.ts';
import { isLoopback, isPrivate } from '../core/address-policy.ts';
import { formatIpv4, parseIpv4 } from '../wire/index.ts';
import type { Endpoint, Ipv4 } from '../wire/index.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { nextAddress, sameAddressTwice } from './values.ts';
import type { HostPort } from './values.ts';

/** What names have led to so far, for when they lead nowhere. */
export type KnownAddresses = Map<string, readonly Ipv4[]>;

/**
 * The servers behind these names, with all their addresses: the first of each name, then the second of each, so that no
 * name with many addresses keeps the next from being asked. A name that does not resolve leads to where it is known to have
 * led; one that never did is told to `warn` where another does; fails where none does. `secondary`: see {@link candidatesOf}.
 */
export async function resolveServers(
  hosts: readonly string[],
  secondary: Ipv4 | 'none' | undefined,
  warn: (message: string) => void,
  known: KnownAddresses = new Map(),
): Promise<ServerCandidate[]> {
  if (typeof secondary === 'number' && hosts.length > 1) throw oneServerOnly(hosts);
  const found = await Promise.all(hosts.map(addressesOf));
  for (const [i, host] of hosts.entries()) if (found[i]!.length > 0) known.set(host, found[i]!);
  const unresolved = hosts.filter((host) => !known.has(host));
  const candidates = inTurn(
    hosts.map((host) =>
      candidatesOf(known.get(host) ?? [], secondary).map((candidate) => ({ ...candidate, name: host })),
    ),
  );
  if (candidates.length === 0) {
    throw new CommandFailure(
      EXIT.FAILED,
      `the server name ${unresolved.map((host) => `"${host}"`).join(', ')} does not resolve to an IPv4 address: check its spelling and this host's DNS`,
    );
  }
  for (const host of unresolved)
    warn(`warning: "${host}" does not resolve to an IPv4 address; going on without it`);
  return candidates;
}

/** The relay at which peers are met. Fails where its name does not resolve: who wants it should know. */
export async function resolveMeetingPoint({ host, port }: HostPort): Promise<Endpoint> {
  const addresses = await addressesOf(host);
  if (addresses.length > 0) return { address: meetingPointAmong(addresses), port };
  throw new CommandFailure(
    EXIT.FAILED,
    `the relay "${host}" (--meet) does not resolve to an IPv4 address: check its spelling and this host's DNS`,
  );
}

/** Two clients meet only if they take the same of a name's addresses, which come in any order. */
export function meetingPointAmong(addresses: readonly Ipv4[]): Ipv4 {
  return Math.min(...addresses);
}

/**
 * The servers at the addresses of one name. Each has the address after its first for its second, or none, if that is wanted;
 * one second address that is given belongs to one server: the one it comes after, else the first. An address that is the second
 * of a server is no server by itself, though the name may have both.
 */
export function candidatesOf(
  addresses: readonly Ipv4[],
  secondary: Ipv4 | 'none' | undefined,
): Omit<ServerCandidate, 'name'>[] {
  if (secondary === 'none') return addresses.map((primary) => ({ primary, secondary: undefined }));
  const left = addresses.filter((address) => address !== secondary);
  if (left.length === 0 && secondary !== undefined && addresses.length > 0) throw sameAddressTwice(secondary);
  const owner =
    secondary === undefined
      ? undefined
      : (left.find((primary) => nextAddress(primary) === secondary) ?? left[0]);
  const secondaryOf = (primary: Ipv4): Ipv4 => (primary === owner ? secondary! : nextAddress(primary));
  const [servers, seconds] = [new Set<Ipv4>(), new Set<Ipv4>()];
  for (const address of [...(owner === undefined ? [] : [owner]), ...left.toSorted((a, b) => a - b)]) {
    if (seconds.has(address)) continue;
    servers.add(address);
    seconds.add(secondaryOf(address));
  }
  return left
    .filter((address) => servers.has(address))
    .map((primary) => ({ primary, secondary: secondaryOf(primary) }));
}

function oneServerOnly(hosts: readonly string[]): CommandFailure {
  return new CommandFailure(
    EXIT.USAGE,
    `--secondary is the second address of one server, and --server names ${hosts.length} (${hosts.join(', ')}): name one, ` +
      'or leave --secondary out where it is the address after the first',
  );
}

/** What stands against a server at this address, in words: no client of the Internet will find one there. */
export function noticesOfServer(address: Ipv4, allowPrivate: boolean | undefined): string[] {
  const text = formatIpv4(address);
  if (isLoopback(address))
    return [`warning: ${text} is a loopback address: that server is no other client's`];
  if (!isPrivate(address) || allowPrivate === true) return [];
  return [
    `warning: ${text} is a private address, in which a client does not believe: in a closed network --allow-private`,
  ];
}

async function addressesOf(host: string): Promise<Ipv4[]> {
  const literal = parseIpv4(host);
  if (literal !== undefined) return [literal];
  try {
    const found = await lookup(host, { family: 4, all: true });
    return [...new Set(found.flatMap(({ address }) => parseIpv4(address) ?? []))];
  } catch {
    return []; // told by the caller, with the other names that failed
  }
}

/** The first of each list, the second of each, and so on. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
