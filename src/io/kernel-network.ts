import { networkInterfaces } from 'node:os';
import {
  interfacesWithIpv6,
  ipv6Addresses,
  ipv6DefaultRoutes,
  readSysctl,
  writeSysctl,
} from '../linux/proc.ts';
import type { Ipv6AddressAt } from '../linux/proc.ts';
import { interfaceState } from '../linux/interface-state.ts';
import { SystemCallError } from '../linux/errors.ts';
import { systemErrorIn } from '../linux/system-failures.ts';
import {
  addAddress,
  addRoute,
  removeAddress,
  removeRoute,
  takeUp,
  withoutOwnLinkLocal,
} from '../linux/interface-changes.ts';
import { sourceAddressFor } from '../linux/socket.ts';
import {
  formatIpv6,
  isLinkLocal,
  isLoopback,
  isNative,
  isSiteOnly,
  isTeredo,
  parseIpv4,
  parseIpv6,
} from '../wire/index.ts';
import type { Ipv4, Ipv6 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import { refusable } from './refusable.ts';
import type { HostNetwork, Ipv4Subnet, Ipv6Route, TunnelState } from './ports.ts';

/** The length of the tunnel's queue in packets: longer than a burst of TCP, so that bursts are not dropped. */
const QUEUE_LENGTH = 1000;

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

/** 2001::/32 as the kernel's tables write it. */
const TEREDO_DIGITS = '20010000';

/** This host's addresses and routes. Reads them from the system and changes them by netlink. */
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

  hasNativeIpv6(exceptInterface: string): boolean {
    return refusable(() => {
      const tunnels = interfacesWithIpv6(TEREDO_DIGITS);
      const addresses = ipv6Addresses().filter(
        ({ interface: name }) => name !== exceptInterface && !tunnels.has(name),
      );
      return ipv6DefaultRoutes().some(
        ({ interface: name }) =>
          name !== exceptInterface &&
          !tunnels.has(name) &&
          addresses.some((one) => isNative(one.address, 0) && isSourceAt(name, one, addresses)),
      );
    });
  }

  otherTeredoDefault(exceptInterface: string): string | undefined {
    return refusable(() => {
      const tunnels = interfacesWithIpv6(TEREDO_DIGITS);
      return ipv6DefaultRoutes().find(
        ({ interface: name, anySource }) => anySource && name !== exceptInterface && tunnels.has(name),
      )?.interface;
    });
  }

  forwardsIpv6(): boolean {
    return refusable(() => readSysctl('net/ipv6/conf/all/forwarding')) === '1';
  }

  tunnelState(name: string): TunnelState | undefined {
    const state = refusable(() => interfaceState(name));
    if (state === undefined) return undefined;
    return {
      ...state,
      routes: state.routes.map(({ source, ...route }) =>
        source === undefined ? route : { ...route, source },
      ),
    };
  }

  async setUpTunnel(name: string, mtu: number): Promise<void> {
    refusable(() => {
      switchOnIpv6(name);
      writeSysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
    });
    await change(name, 'addrgenmode', () => unlessUnknown(() => withoutOwnLinkLocal(name)));
    await change(name, 'up', () => takeUp(name, mtu, QUEUE_LENGTH));
  }

  addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    return change(name, addressInWords(address, prefixLength), () => addAddress(name, address, prefixLength));
  }

  removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    const words = addressInWords(address, prefixLength);
    return change(name, words, () => unlessGone(() => removeAddress(name, address, prefixLength)));
  }

  addRoute(name: string, route: Ipv6Route): Promise<void> {
    return change(name, routeInWords(route), () => addRoute(name, route));
  }

  removeRoute(name: string, route: Ipv6Route): Promise<void> {
    return change(name, routeInWords(route), () => unlessGone(() => removeRoute(name, route)));
  }
}

/**
 * Whether an address may be the source of packets that leave by an interface. The system prefers addresses of that interface (RFC 6724
 * section 5, rule 5). It uses an address of another interface if this one has link-local addresses only, as a router's uplink may have.
 */
function isSourceAt(name: string, one: Ipv6AddressAt, all: readonly Ipv6AddressAt[]): boolean {
  if (one.interface === name || one.interface === 'lo') return true;
  return all.every(({ interface: other, address }) => other !== name || isLinkLocal(address, 0));
}

function addressInWords(address: Ipv6, prefixLength: number): string {
  return `address ${formatIpv6(address)}/${prefixLength}`;
}

function routeInWords({ destination, prefixLength, source }: Ipv6Route): string {
  const from = source === undefined ? '' : ` from ${formatIpv6(source)}`;
  return `route ${formatIpv6(destination)}/${prefixLength}${from}`;
}

/** Switches IPv6 on for an interface: in containers it is often off. Throws if that is not possible. */
function switchOnIpv6(name: string): void {
  if (readSysctl('net/ipv6/conf/all/disable_ipv6') === undefined) {
    throw new EnvironmentError(
      'system',
      'the kernel of this host has no IPv6: look for "ipv6.disable=1" among its boot parameters',
    );
  }
  const setting = `net/ipv6/conf/${name}/disable_ipv6`;
  if (readSysctl(setting) !== '1' || writeSysctl(setting, '0')) return;
  throw new EnvironmentError(
    'system',
    'IPv6 is switched off on this host: "sysctl -w net.ipv6.conf.all.disable_ipv6=0"; ' +
      'for a container "docker run --sysctl net.ipv6.conf.all.disable_ipv6=0"',
  );
}

/** Rejects with an EnvironmentError that names the interface and the refused action, `what`. */
async function change(name: string, what: string, action: () => void): Promise<void> {
  refusable(action, (error) => explain(error, `${name}: ${what}`));
}

/** Like {@link refusable}, but a missing route, address or interface is no error. */
function unlessGone(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SystemCallError) || !GONE.has(error.code)) throw error;
  }
}

/** The kernel adds a link-local address if it does not know this mode. */
function unlessUnknown(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SystemCallError) || !UNKNOWN.has(error.code)) throw error;
  }
}

const UNKNOWN = new Set(['EINVAL', 'EOPNOTSUPP', 'EAFNOSUPPORT']);
const GONE = new Set(['EADDRNOTAVAIL', 'ENODEV', 'ENOENT', 'ESRCH']);

function explain(error: SystemCallError, what: string): EnvironmentError {
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new EnvironmentError(
      'not-permitted',
      `not permitted: ${what}: it needs root or CAP_NET_ADMIN`,
      error,
    );
  if (error.code === 'EEXIST') {
    const message = `${what}: it exists already, perhaps made by another program: end that program first`;
    return new EnvironmentError('system', message, error);
  }
  if (error.code === 'ENODEV')
    return new EnvironmentError('system', `${what}: there is no such interface`, error);
  return new EnvironmentError('system', `${what}: the system refused: ${error.code}`, error);
}
