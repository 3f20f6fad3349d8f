import { networkInterfaces } from 'node:os';
import { AddressPolicy, isShared } from '../../core/address-policy.ts';
import { formatHost } from '../../wire/proxy-target.ts';
import type { TargetHost } from '../../wire/proxy-target.ts';

/** First octet of 240.0.0.0/4, which is reserved. RFC 1112 section 4 */
const RESERVED = 240;

/**
 * The addresses that a proxy connects to: those of the Internet. So it is no way round a firewall into this host or its networks, whatever address a name
 * has.
 */
export class Destinations {
  private readonly policy: AddressPolicy;
  private readonly ownAddresses: () => ReadonlySet<string>;

  /** `allowPrivate`: private addresses are those of a closed network. */
  constructor(allowPrivate: boolean, ownAddresses = addressesOfHost) {
    this.policy = new AddressPolicy({ allowPrivate });
    this.ownAddresses = ownAddresses;
  }

  allows(host: Exclude<TargetHost, { kind: 'name' }>): boolean {
    if (host.kind === 'ipv6') return isGlobalUnicast(host.address) && !this.isOwn(host);
    const { address } = host;
    const isReserved = address >>> 24 >= RESERVED || (!this.policy.allowPrivate && isShared(address));
    return !isReserved && this.policy.isGlobalUnicast(address) && !this.isOwn(host);
  }

  private isOwn(host: TargetHost): boolean {
    return this.ownAddresses().has(formatHost(host));
  }
}

/** 2000::/3, RFC 4291 section 2.4. */
function isGlobalUnicast(address: Uint8Array): boolean {
  return (address[0]! & 0xe0) === 0x20;
}

function addressesOfHost(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address));
}
