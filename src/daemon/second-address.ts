/** The second address of a server. */
import { nextAddress } from '../runtime/servers.ts';
import type { SERVER_OPTIONS } from '../runtime/settings/server-options.ts';
import type { Values } from '../runtime/settings/option.ts';
import type { Ipv4 } from '../wire/index.ts';

type Addresses = Pick<Values<typeof SERVER_OPTIONS>, 'address'> &
  Partial<Pick<Values<typeof SERVER_OPTIONS>, 'secondary' | 'announceSecondary'>>;

/** The one that the options name; undefined: they want none, or leave it to the host's addresses. */
export function namedSecondary({ address, secondary, announceSecondary }: Addresses): Ipv4 | undefined {
  if (secondary === 'none') return undefined;
  if (secondary !== undefined) return secondary;
  // The address outside of a NAT says that there is one inside.
  return announceSecondary === undefined ? undefined : nextAddress(address);
}
