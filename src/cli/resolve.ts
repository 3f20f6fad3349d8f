import { lookup } from 'node:dns/promises';
import type { ServerCandidate } from '../core/client/index.ts';
import { parseIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { ipv4Value, nextAddress } from './values.ts';

/**
 * The servers behind these names, with all their addresses. A name that does not resolve is told to `warn` where another
 * does; fails where none does. `secondary`: an address, `none`, or the first plus one.
 */
export async function resolveServers(
  hosts: readonly string[],
  secondary: string | undefined,
  warn: (message: string) => void,
): Promise<ServerCandidate[]> {
  const candidates: ServerCandidate[] = [];
  const unresolved: string[] = [];
  for (const host of hosts) {
    const addresses = await addressesOf(host);
    if (addresses.length === 0) unresolved.push(host);
    for (const primary of addresses) {
      candidates.push({ primary, secondary: secondaryOf(primary, secondary), name: host });
    }
  }
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

async function addressesOf(host: string): Promise<Ipv4[]> {
  const literal = parseIpv4(host);
  if (literal !== undefined) return [literal];
  try {
    const found = await lookup(host, { family: 4, all: true });
    return [...new Set(found.map(({ address }) => parseIpv4(address)!))];
  } catch {
    return []; // told by the caller, with the other names that failed
  }
}

function secondaryOf(primary: Ipv4, secondary: string | undefined): Ipv4 | undefined {
  if (secondary === 'none') return undefined;
  return secondary === undefined ? nextAddress(primary) : ipv4Value(secondary);
}
