import { lookup } from 'node:dns/promises';
import type { ServerCandidate } from '../core/client/index.ts';
import { isLoopback, isPrivate } from '../core/address-policy.ts';
import { formatIpv4, parseIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { nextAddress, sameAddressTwice } from './values.ts';

/**
 * The servers behind these names, with all their addresses: the first of each name, then the second of each, so that no
 * name with many addresses keeps the next from being asked. A name that does not resolve is told to `warn` where another
 * does; fails where none does. `secondary`: an address, `none`, or (undefined) the first plus one.
 */
export async function resolveServers(
  hosts: readonly string[],
  secondary: Ipv4 | 'none' | undefined,
  warn: (message: string) => void,
): Promise<ServerCandidate[]> {
  const found = await Promise.all(hosts.map(addressesOf));
  const unresolved = hosts.filter((_host, i) => found[i]!.length === 0);
  const candidates = inTurn(
    found.map((addresses, i) =>
      addresses.map((primary) => ({ primary, secondary: secondaryOf(primary, secondary), name: hosts[i]! })),
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

function secondaryOf(primary: Ipv4, secondary: Ipv4 | 'none' | undefined): Ipv4 | undefined {
  if (secondary === 'none') return undefined;
  if (secondary !== primary) return secondary ?? nextAddress(primary);
  throw sameAddressTwice(primary);
}

/** The first of each list, the second of each, and so on. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
