import { networkInterfaces } from 'node:os';
import {
  interfacesWithIpv6,
  ipv6Addresses,
  ipv6DefaultRoutes,
  readSysctl,
  writeSysctl,
} from '../linux/proc.ts';
import { interfaceState } from '../linux/interface-state.ts';
import { IpRouteError, ip } from '../linux/iproute.ts';
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

/** Packets that may wait in the tunnel's queue; more than a burst of TCP, so that it is not cut. */
const QUEUE_LENGTH = '1000';

/** 127/8. The interface says nothing: routers have their own global addresses on `lo`. */
const LOOPBACK_NETWORK = 127;

/** 2001::/32 as the kernel's tables write it. */
const TEREDO_DIGITS = '20010000';

/** This host's addresses and routes, read from the system and changed through iproute2. */
export class KernelNetwork implements HostNetwork {
  ipv4Subnets(): readonly Ipv4Subnet[] {
    return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
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
    return Object.values(networkInterfaces()).flatMap((addresses) =>
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
    const tunnels = interfacesWithIpv6(TEREDO_DIGITS);
    const isElsewhere = ({ interface: name }: { readonly interface: string }): boolean =>
      name !== exceptInterface && !tunnels.has(name);
    return (
      ipv6DefaultRoutes().some(isElsewhere) &&
      ipv6Addresses().some((one) => isElsewhere(one) && isNative(one.address, 0))
    );
  }

  otherTeredoDefault(exceptInterface: string): string | undefined {
    const tunnels = interfacesWithIpv6(TEREDO_DIGITS);
    const others = ipv6DefaultRoutes().filter(
      ({ interface: name, anySource }) => anySource && name !== exceptInterface && tunnels.has(name),
    );
    return others[0]?.interface;
  }

  forwardsIpv6(): boolean {
    return readSysctl('net/ipv6/conf/all/forwarding') === '1';
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
    switchOnIpv6(name);
    writeSysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
    // Without effect where the kernel does not know the mode; it then adds a link-local address of its own.
    await change('link', 'set', 'dev', name, 'addrgenmode', 'none').catch(() => undefined);
    await change('link', 'set', 'dev', name, 'mtu', String(mtu), 'txqueuelen', QUEUE_LENGTH, 'up');
  }

  addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    return change('-6', 'address', 'add', `${formatIpv6(address)}/${prefixLength}`, 'dev', name, 'nodad');
  }

  removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    return remove('-6', 'address', 'delete', `${formatIpv6(address)}/${prefixLength}`, 'dev', name);
  }

  addRoute(name: string, route: Ipv6Route): Promise<void> {
    return change('-6', 'route', 'add', ...routeWords(name, route));
  }

  removeRoute(name: string, route: Ipv6Route): Promise<void> {
    return remove('-6', 'route', 'delete', ...routeWords(name, route));
  }
}

function routeWords(
  name: string,
  { destination, prefixLength, source, gateway, metric }: Ipv6Route,
): string[] {
  const from = source === undefined ? [] : ['from', `${formatIpv6(source)}/128`];
  const via = gateway === undefined ? [] : ['via', formatIpv6(gateway)];
  const words = [`${formatIpv6(destination)}/${prefixLength}`, ...from, ...via, 'dev', name];
  return metric === undefined ? words : [...words, 'metric', String(metric)];
}

/** A container's interfaces often come with IPv6 switched off. */
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

async function change(...args: string[]): Promise<void> {
  try {
    await ip(...args);
  } catch (error) {
    throw error instanceof IpRouteError ? explain(error, args) : error;
  }
}

/** Like {@link change}, for what may be gone already. */
async function remove(...args: string[]): Promise<void> {
  try {
    await ip(...args);
  } catch (error) {
    if (!(error instanceof IpRouteError)) throw error;
    const gone = /cannot assign requested address|address not found|no such process|cannot find device/i;
    if (!gone.test(error.said)) throw explain(error, args);
  }
}

function explain(error: IpRouteError, args: readonly string[]): EnvironmentError {
  const command = `ip ${args.join(' ')}`;
  if (error.missing) {
    return new EnvironmentError('no-program', 'the program "ip" is missing: apt-get install iproute2', error);
  }
  if (/not permitted/i.test(error.said)) {
    return new EnvironmentError(
      'not-permitted',
      `not permitted: "${command}" needs root or CAP_NET_ADMIN`,
      error,
    );
  }
  if (/file exists/i.test(error.said)) {
    const message = `"${command}": it exists already, perhaps of another program's: end that one first`;
    return new EnvironmentError('system', message, error);
  }
  return new EnvironmentError('system', error.message, error);
}
