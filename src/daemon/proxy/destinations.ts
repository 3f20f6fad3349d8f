import { networkInterfaces } from 'node:os';
import { inSubnets, isPrivate } from '../../core/address-policy.ts';
import type { Subnet } from '../../core/address-policy.ts';
import { parseIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { formatHost } from '../../wire/proxy-target.ts';
import type { TargetHost } from '../../wire/proxy-target.ts';
import { isInternetIpv4, isInternetIpv6 } from './internet-addresses.ts';

/** The host's addresses are read again after this. */
const OWN_MS = 1_000;

/** Addresses of this host as text, and the IPv4 subnets of its interfaces. */
export interface OwnAddresses {
  readonly addresses: ReadonlySet<string>;
  readonly subnets: readonly Subnet[];
}

export interface DestinationsOptions {
  /** The Internet of this proxy is a closed network, with addresses of closed networks. */
  readonly allowPrivate: boolean;
  /** The mapped IPv4 address, if it is known: that of the NAT, at which it may forward ports to hosts behind it. */
  readonly mapped: () => Ipv4 | undefined;
  /** Throws where the system gives none. */
  readonly readOwn?: () => OwnAddresses;
}

/**
 * The addresses that a proxy connects to: those of the Internet. So it is no way round a firewall into this host or its networks, whatever address a name
 * has.
 */
export class Destinations {
  private readonly options: DestinationsOptions;
  private own: OwnAddresses | undefined;
  private readAt = -Infinity;
  /** The last one that was known: the NAT has not gone with the qualification. */
  private mapped: Ipv4 | undefined;

  constructor(options: DestinationsOptions) {
    this.options = options;
  }

  allows(host: Exclude<TargetHost, { kind: 'name' }>): boolean {
    const { allowPrivate } = this.options;
    const own = this.ownAddresses();
    // They could never be read: any address may be this host's.
    if (own === undefined || own.addresses.has(formatHost(host))) return false;
    if (host.kind === 'ipv6') return isInternetIpv6(host.address, allowPrivate);
    const { address } = host;
    if (!isInternetIpv4(address, allowPrivate) || address === this.natAddress()) return false;
    return (allowPrivate && isPrivate(address)) || !inSubnets(address, own.subnets);
  }

  private natAddress(): Ipv4 | undefined {
    return (this.mapped = this.options.mapped() ?? this.mapped);
  }

  private ownAddresses(): OwnAddresses | undefined {
    const now = performance.now();
    if (now - this.readAt < OWN_MS) return this.own;
    this.readAt = now;
    try {
      this.own = (this.options.readOwn ?? addressesOfHost)();
    } catch {
      // There is no descriptor to ask the system by: they are still those of the last time.
    }
    return this.own;
  }
}

function addressesOfHost(): OwnAddresses {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const subnets = all.flatMap(({ cidr }) => {
    const [address, length] = (cidr ?? '').split('/');
    const ipv4 = parseIpv4(address!);
    return ipv4 === undefined ? [] : [{ address: ipv4, prefixLength: Number(length) }];
  });
  return { addresses: new Set(all.map(({ address }) => address)), subnets };
}
