import { addressesOf } from '../runtime/servers.ts';
import type { Endpoint, Ipv4 } from '../wire/index.ts';
import type { HostPort } from '../runtime/settings/parse.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';

/** The user's own relay (--meet). Fails where its name does not resolve, for the user has asked for it. */
export async function resolveMeetingPoint({ host, port }: HostPort): Promise<Endpoint> {
  const addresses = await addressesOf(host);
  if (addresses.length > 0) return { address: meetingPointAmong(addresses), port };
  throw new CommandFailure(
    EXIT.FAILED,
    `the relay "${host}" (--meet) does not resolve to a usable IPv4 address: check its spelling and this host's DNS`,
  );
}

/** Two clients reach each other via the relay only if both take the same of its addresses, which come in any order. */
export function meetingPointAmong(addresses: readonly Ipv4[]): Ipv4 {
  return Math.min(...addresses);
}
