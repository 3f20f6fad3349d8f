import { InterfaceChanges } from '../linux/interface-changes.ts';
import { interfaceState } from '../linux/interface-state.ts';
import { SystemCallError } from '../linux/errors.ts';
import {
  interfacesWithIpv6,
  ipv6Addresses,
  ipv6DefaultRoutes,
  readSysctl,
  writeSysctl,
} from '../linux/proc.ts';
import type { Ipv6AddressAt } from '../linux/proc.ts';
import { openSocket } from '../linux/socket.ts';
import type { OpenSocket } from '../linux/socket.ts';
import { formatIpv6, isLinkLocal, isNative } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import type { Ipv6Route, TunnelHost, TunnelState } from './ports.ts';
import { refusable } from './refusable.ts';

/** The length of the tunnel's queue in packets: longer than a burst of TCP, so that bursts are not dropped. */
const QUEUE_LENGTH = 1_000;
/** The same for an interface that outlives its process: no process reads it while the role is restarted. One packet can have 64 KB. */
export const KEPT_QUEUE_LENGTH = 4_096;

/** 2001::/32 as the kernel's tables write it. */
const TEREDO_DIGITS = '20010000';

/** A network namespace, as far as the work on a tunnel needs it. */
export interface Netns {
  readonly open: OpenSocket;
  /** The folder with its tables, as `/proc/net`. */
  readonly tables: string;
  /** Switches IPv6 on for an interface, without router solicitations. Throws an EnvironmentError. */
  prepare(interfaceName: string): void;
}

const OWN_NETNS: Netns = {
  open: openSocket,
  tables: '/proc/net',
  prepare: prepareInterface,
};

/** Reads the IPv6 configuration of a network namespace from the system, and changes it by netlink. */
export class KernelTunnelHost implements TunnelHost {
  private readonly netns: Netns;
  private readonly changes: InterfaceChanges;
  private readonly queueLength: number;

  /** `queueLength`: of new interfaces, in packets. */
  constructor(netns: Netns = OWN_NETNS, queueLength = QUEUE_LENGTH) {
    this.netns = netns;
    this.queueLength = queueLength;
    this.changes = new InterfaceChanges(netns.open);
  }

  hasNativeIpv6(exceptInterface: string): boolean {
    return refusable(() => {
      const tunnels = interfacesWithIpv6(TEREDO_DIGITS, this.netns.tables);
      const addresses = ipv6Addresses(this.netns.tables).filter(
        ({ interface: name }) => name !== exceptInterface && !tunnels.has(name),
      );
      return ipv6DefaultRoutes(this.netns.tables).some(
        ({ interface: name }) =>
          name !== exceptInterface &&
          !tunnels.has(name) &&
          addresses.some((one) => isNative(one.address, 0) && isSourceAt(name, one, addresses)),
      );
    });
  }

  otherTeredoDefault(exceptInterface: string): string | undefined {
    return refusable(() => {
      const tunnels = interfacesWithIpv6(TEREDO_DIGITS, this.netns.tables);
      return ipv6DefaultRoutes(this.netns.tables).find(
        ({ interface: name, anySource }) => anySource && name !== exceptInterface && tunnels.has(name),
      )?.interface;
    });
  }

  tunnelState(name: string): TunnelState | undefined {
    const state = refusable(() => interfaceState(name, this.netns.open, this.netns.tables));
    if (state === undefined) return undefined;
    return {
      ...state,
      routes: state.routes.map(({ source, ...route }) =>
        source === undefined ? route : { ...route, source },
      ),
    };
  }

  async setUpTunnel(name: string, mtu: number): Promise<void> {
    refusable(() => this.netns.prepare(name));
    await change(name, 'addrgenmode', () => unlessUnknown(() => this.changes.withoutOwnLinkLocal(name)));
    // The kernel loses packets that are sent while it changes the queue of an interface that is up.
    const isNew = this.tunnelState(name)?.isUp !== true;
    if (isNew) await change(name, 'queue length', () => this.changes.setQueueLength(name, this.queueLength));
    await change(name, 'up', () => this.changes.takeUp(name, mtu));
  }

  addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    return change(name, addressInWords(address, prefixLength), () =>
      this.changes.addAddress(name, address, prefixLength),
    );
  }

  removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    const words = addressInWords(address, prefixLength);
    return change(name, words, () =>
      unlessGone(() => this.changes.removeAddress(name, address, prefixLength)),
    );
  }

  addRoute(name: string, route: Ipv6Route): Promise<void> {
    return change(name, routeInWords(route), () => this.changes.addRoute(name, route));
  }

  removeRoute(name: string, route: Ipv6Route): Promise<void> {
    return change(name, routeInWords(route), () => unlessGone(() => this.changes.removeRoute(name, route)));
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

/** Switches IPv6 on for an interface of this process's network, without router solicitations. Throws an EnvironmentError. */
export function prepareInterface(name: string): void {
  switchOnIpv6(name);
  writeSysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
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

/** Rejects with an EnvironmentError that names the interface and the refused `action`. */
async function change(name: string, action: string, work: () => void): Promise<void> {
  refusable(work, (error) => explain(error, `${name}: ${action}`));
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

function explain(error: SystemCallError, action: string): EnvironmentError {
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new EnvironmentError(
      'not-permitted',
      `not permitted: ${action}: it needs root or CAP_NET_ADMIN`,
      error,
    );
  if (error.code === 'EEXIST') {
    const message = `${action}: it exists already, perhaps made by another program: end that program first`;
    return new EnvironmentError('system', message, error);
  }
  if (error.code === 'ENODEV')
    return new EnvironmentError('system', `${action}: there is no such interface`, error);
  return new EnvironmentError('system', `${action}: the system refused: ${error.code}`, error);
}
