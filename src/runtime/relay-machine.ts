import { AccessList } from '../core/access-list.ts';
import type { AccessRules } from '../core/access-list.ts';
import type { AddressPolicy } from '../core/address-policy.ts';
import type { Entropy } from '../core/entropy.ts';
import { RelayMachine } from '../core/relay/index.ts';
import type { RelayLimits, RelayOptions } from '../core/relay/index.ts';
import type { Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';
import type { RelaySettings } from './relay.ts';

/** The settings of a relay that are copied to its workers as they are. */
export type PlainRelaySettings = Pick<RelaySettings, 'port' | 'trustCone' | 'allowPrivate' | 'meet'>;

/** What a relay takes from its host; it may change. */
export interface RelayHost {
  readonly served: readonly Ipv6Prefix[];
  /** The source of ICMPv6 errors. */
  readonly errorSource: Ipv6;
  /** The relay's own outer addresses. */
  readonly own: readonly Ipv4[];
  readonly directBubbles: boolean;
}

interface Parts {
  readonly host: RelayHost;
  readonly policy: AddressPolicy;
  readonly access: AccessRules | undefined;
  readonly limits: RelayLimits;
  /** See {@link RelayOptions.bfdAddress}. */
  readonly bfdAddress?: Ipv6 | undefined;
}

export function makeRelayMachine(
  settings: PlainRelaySettings,
  { host, policy, access, limits, bfdAddress }: Parts,
  entropy: Entropy,
): RelayMachine {
  const options: RelayOptions = {
    serve: host.served,
    localAddress: host.errorSource,
    directBubbles: host.directBubbles,
    trustCone: settings.trustCone ?? false,
    meet: settings.meet ?? false,
    ...(bfdAddress === undefined ? {} : { bfdAddress }),
    own: { addresses: host.own, port: settings.port },
    policy,
    ...(access === undefined ? {} : { access: new AccessList(access) }),
    limits,
  };
  return new RelayMachine(options, entropy);
}

/** The host's addresses have changed. */
export function followHost(machine: RelayMachine, host: RelayHost): void {
  machine.setHostAddresses(host.errorSource, host.own);
  machine.setDirectBubbles(host.directBubbles);
  machine.setServed(host.served);
}
