import type { Ipv4 } from '../wire/index.ts';

/** An IPv4 subnet that the host is attached to. */
export interface Subnet {
  readonly address: Ipv4;
  readonly prefixLength: number;
}

/**
 * The IPv4 addresses to which Teredo packets may be sent: global unicast ones (RFC 4380 section 5.2.4, C-9). With `allowPrivate`, for
 * private networks without Internet, RFC 1918 addresses count as global, too.
 */
export class AddressPolicy {
  /** Addresses that are valid within a site only count as global ones. */
  readonly allowPrivate: boolean;
  private broadcasts: Ipv4[] = [];

  constructor(options: { readonly allowPrivate?: boolean; readonly subnets?: readonly Subnet[] } = {}) {
    this.allowPrivate = options.allowPrivate ?? false;
    this.setSubnets(options.subnets ?? []);
  }

  isGlobalUnicast(address: Ipv4): boolean {
    return (this.allowPrivate || !isPrivate(address)) && this.isUnicast(address);
  }

  /** As above, with private addresses allowed: a peer behind the same NAT has one. RFC 6081 section 4.3, E-96 */
  isUnicast(address: Ipv4): boolean {
    const first = address >>> 24;
    if (first === 0 || isLoopback(address) || (first >= 224 && first <= 239)) return false;
    if (address === 0xffffffff) return false;
    if (first === 169 && address >>> 16 === 0xa9fe) return false;
    if (first === 192 && address >>> 8 === 0xc05863) return false; // 192.88.99.0/24, 6to4 relays
    for (const broadcast of this.broadcasts) if (address === broadcast) return false;
    return true;
  }

  /** The host's subnets have changed: packets are never sent to their directed broadcast addresses. */
  setSubnets(subnets: readonly Subnet[]): void {
    // A /31 and a /32 have no broadcast address (RFC 3021).
    this.broadcasts = subnets
      .filter(({ prefixLength }) => prefixLength > 0 && prefixLength < 31)
      .map(({ address, prefixLength }) => (address | (2 ** (32 - prefixLength) - 1)) >>> 0);
  }
}

/** 127/8. */
export function isLoopback(address: Ipv4): boolean {
  return address >>> 24 === 127;
}

/** RFC 1918. */
export function isPrivate(address: Ipv4): boolean {
  return address >>> 24 === 10 || address >>> 20 === 0xac1 || address >>> 16 === 0xc0a8;
}

/** 100.64/10, between customers and a carrier's NAT. RFC 6598 */
export function isShared(address: Ipv4): boolean {
  return address >>> 22 === 0x191;
}

/** Whether `address` lies in one of `subnets`. */
export function inSubnets(address: Ipv4, subnets: readonly Subnet[]): boolean {
  return subnets.some(({ address: base, prefixLength }) => {
    const shift = 32 - prefixLength;
    return shift === 32 || address >>> shift === base >>> shift;
  });
}
