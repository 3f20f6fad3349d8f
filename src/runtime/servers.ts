import { lookup } from 'node:dns/promises';
import type { ServerCandidate } from '../core/client/index.ts';
import { within } from '../io/deadline.ts';
import { EnvironmentError } from '../io/errors.ts';
import { parseIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { faultOfHostAddress, faultOfSecondary, ipv4InWords } from './settings/rules.ts';
import { SettingsError } from './settings/settings-error.ts';

/** Longer than a resolver takes for three name servers that are mute (resolv.conf(5): each is asked twice, for 5 s). */
const LOOKUP_MOST_MS = 35_000;

/** The last addresses of each name, used while it does not resolve. */
export type KnownAddresses = Map<string, readonly Ipv4[]>;

/**
 * The servers behind these names, with all their addresses: the first of each name, then the second of each, so that no
 * name with many addresses keeps the next from being asked. A name that does not resolve leads to where it is known to have
 * led. One that never did is said to `warn` where another does. Throws an EnvironmentError (`no-address`) where none does, a SettingsError
 * where `secondary` is given with several names. `secondary`: see {@link candidatesOf}.
 */
export async function resolveServers(
  named: readonly string[],
  secondary: Ipv4 | 'none' | undefined,
  warn: (message: string) => void,
  known: KnownAddresses = new Map(),
): Promise<ServerCandidate[]> {
  const hosts = [...new Set(named)];
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
    throw new EnvironmentError(
      'no-address',
      `the server name ${unresolved.map((host) => `"${host}"`).join(', ')} does not resolve to a usable IPv4 address: check its spelling and this host's DNS`,
    );
  }
  for (const host of unresolved) warn(`"${host}" does not resolve to a usable IPv4 address: it is left out`);
  return candidates;
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
  const secondaryOf = (primary: Ipv4): Ipv4 | undefined =>
    primary === owner ? secondary : usableNext(primary);
  const servers = new Set<Ipv4>();
  const seconds = new Set<Ipv4 | undefined>();
  for (const address of [...(owner === undefined ? [] : [owner]), ...left.toSorted((a, b) => a - b)]) {
    if (seconds.has(address)) continue;
    servers.add(address);
    seconds.add(secondaryOf(address));
  }
  return left
    .filter((address) => servers.has(address))
    .map((primary) => ({ primary, secondary: secondaryOf(primary) }));
}

export function oneServerOnly(hosts: readonly string[]): SettingsError {
  return new SettingsError(
    'secondary',
    `secondary is the second address of one server, and ${hosts.length} are named (${hosts.join(', ')}): name one, ` +
      'or leave it out where it is the address after the first',
  );
}

function sameAddressTwice(address: Ipv4): SettingsError {
  return new SettingsError(
    'secondary',
    `secondary: ${ipv4InWords(address)} ${faultOfSecondary(address, address)}`,
  );
}

/** Undefined where no host can have it: after 223.255.255.255. */
function usableNext(address: Ipv4): Ipv4 | undefined {
  const next = nextAddress(address);
  return faultOfHostAddress(next) === undefined ? next : undefined;
}

/** The default second address of a server: Windows knows no other (M-8). */
export function nextAddress(address: Ipv4): Ipv4 {
  return (address + 1) >>> 0;
}

/**
 * The IPv4 addresses of a name that hosts can have, or the one that `host` is; none where the name does not resolve. A resolver that
 * blocks a name may answer 0.0.0.0.
 */
export async function addressesOf(host: string): Promise<Ipv4[]> {
  const literal = parseIpv4(host);
  if (literal !== undefined) return [literal];
  // The caller reports a name that fails, with the other names that failed.
  const found = await within(LOOKUP_MOST_MS, lookUpOnce(host), []);
  const addresses = new Set(found.flatMap(({ address }) => parseIpv4(address) ?? []));
  return [...addresses].filter((address) => faultOfHostAddress(address) === undefined);
}

type Lookup = ReturnType<typeof lookUpNow>;

/**
 * Lookups under way, by name. One that hangs cannot be called off and keeps one of the process's few threads: with one a name, asking again and again
 * takes no more of them.
 */
const lookups = new Map<string, Lookup>();

function lookUpOnce(host: string): Lookup {
  const underway = lookups.get(host);
  if (underway !== undefined) return underway;
  const begun = lookUpNow(host);
  lookups.set(host, begun);
  const forget = (): void => void lookups.delete(host);
  begun.then(forget, forget);
  return begun;
}

function lookUpNow(host: string) {
  return lookup(host, { family: 4, all: true });
}

/** The first of each list, the second of each, and so on. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}

/** The servers of a client's settings: those that are known, and those that have a name. */
export class NamedServers {
  /** Those that need no name. */
  readonly candidates: readonly ServerCandidate[];
  private readonly names: readonly string[];
  private readonly secondary: Ipv4 | 'none' | undefined;
  private readonly known: KnownAddresses = new Map();

  constructor(servers: readonly (ServerCandidate | string)[], secondary: Ipv4 | 'none' | undefined) {
    this.candidates = servers.filter((server) => typeof server !== 'string');
    this.names = [...new Set(servers.filter((server) => typeof server === 'string'))];
    this.secondary = secondary;
  }

  get areThere(): boolean {
    return this.names.length > 0;
  }

  /** All of them. Rejects as {@link resolveServers} does, unless some need no name. */
  async resolve(warn: (message: string) => void): Promise<ServerCandidate[]> {
    try {
      return [...this.candidates, ...(await resolveServers(this.names, this.secondary, warn, this.known))];
    } catch (error) {
      if (!(error instanceof EnvironmentError) || this.candidates.length === 0) throw error;
      warn(error.message);
      return [...this.candidates];
    }
  }
}
