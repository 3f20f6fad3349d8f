import { networkInterfaces } from 'node:os';
import { AddressPolicy, isShared } from '../../core/address-policy.ts';
import { formatHost } from '../../wire/proxy-target.ts';
import type { TargetHost } from '../../wire/proxy-target.ts';

/** The host's addresses are read again after this. */
const OWN_MS = 1_000;
/** First octet of 240.0.0.0/4, which is reserved. RFC 1112 section 4 */
const RESERVED = 240;

/**
 * The addresses that a proxy connects to: those of the Internet. So it is no way round a firewall into this host or its networks, whatever address a name
 * has.
 */
export class Destinations {
  private readonly policy: AddressPolicy;
  private readonly readOwn: () => ReadonlySet<string>;
  private own: ReadonlySet<string> | undefined;
  private readAt = -Infinity;

  /** `allowPrivate`: private addresses are those of a closed network. `readOwn`: the addresses of this host; it throws where the system gives none. */
  constructor(allowPrivate: boolean, readOwn = addressesOfHost) {
    this.policy = new AddressPolicy({ allowPrivate });
    this.readOwn = readOwn;
  }

  allows(host: Exclude<TargetHost, { kind: 'name' }>): boolean {
    if (host.kind === 'ipv6') return isGlobalUnicast(host.address) && !this.isOwn(host);
    const { address } = host;
    const isReserved = address >>> 24 >= RESERVED || (!this.policy.allowPrivate && isShared(address));
    return !isReserved && this.policy.isGlobalUnicast(address) && !this.isOwn(host);
  }

  private isOwn(host: TargetHost): boolean {
    return this.ownAddresses()?.has(formatHost(host)) ?? true;
  }

  /** Undefined: they could never be read, so any address may be this host's. */
  private ownAddresses(): ReadonlySet<string> | undefined {
    const now = performance.now();
    if (now - this.readAt < OWN_MS) return this.own;
    this.readAt = now;
    try {
      this.own = this.readOwn();
    } catch {
      // There is no descriptor to ask the system by: they are still those of the last time.
    }
    return this.own;
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
