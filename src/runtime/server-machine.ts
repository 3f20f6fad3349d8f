import type { AccessList } from '../core/access-list.ts';
import type { AddressPolicy } from '../core/address-policy.ts';
import type { Entropy } from '../core/entropy.ts';
import { ServerMachine } from '../core/server/index.ts';
import type { ServerLimits, ServerOptions } from '../core/server/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import type { ServerSettings } from './server.ts';

/** The settings of a server that are copied to its workers as they are. */
export type PlainServerSettings = Pick<
  ServerSettings,
  'address' | 'secondary' | 'announce' | 'announceSecondary' | 'mtu' | 'native' | 'allowPrivate'
>;

interface Parts {
  readonly policy: AddressPolicy;
  readonly keys: ServerOptions['keys'] | undefined;
  readonly access: AccessList | undefined;
  readonly limits: ServerLimits;
}

/** The addresses that clients know a server by. */
export function announcedBy({ address, secondary, announce, announceSecondary }: PlainServerSettings): {
  readonly primary: Ipv4;
  readonly secondary: Ipv4 | undefined;
} {
  return { primary: announce ?? address, secondary: announceSecondary ?? secondary };
}

export function makeServerMachine(
  settings: PlainServerSettings,
  { policy, keys, access, limits }: Parts,
  entropy: Entropy,
): ServerMachine {
  const announced = announcedBy(settings);
  return new ServerMachine(
    {
      primary: announced.primary,
      ...(announced.secondary === undefined ? {} : { secondary: announced.secondary }),
      local: [settings.address, ...(settings.secondary === undefined ? [] : [settings.secondary])],
      mtu: settings.mtu ?? true,
      ...(keys === undefined ? {} : { keys }),
      native: settings.native ?? true,
      policy,
      ...(access === undefined ? {} : { access }),
      limits,
    },
    entropy,
  );
}
