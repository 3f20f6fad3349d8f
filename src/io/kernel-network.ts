import { networkInterfaces } from 'node:os';
import { readSysctl } from '../linux/proc.ts';
import { sourceAddressFor } from '../linux/socket.ts';
import { systemErrorIn } from '../linux/system-failures.ts';
import { isLinkLocal, isLoopback, isSiteOnly, isTeredo, parseIpv4, parseIpv6 } from '../wire/index.ts';
import type { Ipv4, Ipv6 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import type { HostNetwork, Ipv4Subnet } from './ports.ts';
import { refusable } from './refusable.ts';

/** 127/8. Recognised by address, not by interface: routers have their own global addresses on `lo`. */
const LOOPBACK_NETWORK = 127;

/** Throws an EnvironmentError if the system refuses, for example without free descriptors. */
function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (error) {
    throw new EnvironmentError(
      'system',
      `the system refused: the list of interfaces: ${systemErrorIn(error) ?? (error as Error).message}`,
      error,
    );
  }
}

/** This host's addresses and routes, as the system has them. */
export class KernelNetwork implements HostNetwork {
  ipv4Subnets(): readonly Ipv4Subnet[] {
    return Object.entries(interfaces()).flatMap(([name, addresses]) =>
      (addresses ?? [])
        .filter(({ family }) => family === 'IPv4')
        .map(({ address, cidr }) => ({
          address: parseIpv4(address)!,
          prefixLength: Number(cidr?.split('/')[1] ?? 32),
          interface: name,
        }))
        .filter(({ address }) => address >>> 24 !== LOOPBACK_NETWORK),
    );
  }

  globalIpv6(): readonly Ipv6[] {
    return Object.values(interfaces()).flatMap((addresses) =>
      (addresses ?? [])
        .filter(({ family }) => family === 'IPv6')
        .map(({ address }) => parseIpv6(address.split('%')[0]!)!)
        .filter((b) => !isLinkLocal(b, 0) && !isLoopback(b, 0) && !isSiteOnly(b, 0) && !isTeredo(b, 0)),
    );
  }

  sourceAddress(destination: Ipv4): Ipv4 | undefined {
    return refusable(() => sourceAddressFor(destination));
  }

  forwardsIpv6(): boolean {
    return refusable(() => readSysctl('net/ipv6/conf/all/forwarding')) === '1';
  }
}
