/** Work inside a guest: a network namespace whose tunnel a client outside carries. */
import { readdirSync } from 'node:fs';
import { SystemCallError } from '../errors.ts';
import { InterfaceChanges } from '../interface-changes.ts';
import { Memory, errno, sys } from '../libc.ts';
import { AF_NETLINK, NETLINK_NETFILTER, NETLINK_ROUTE } from '../netlink.ts';
import { writeSysctl } from '../proc.ts';
import { TunDevice } from '../tun.ts';
import { AF_INET, OPTION, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, openSocket, setOption } from '../socket.ts';
import { nameResolver } from './resolver-file.ts';

const O_RDWR_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const SOCK_STREAM = 1;
const BACKLOG = 16;
const LOOPBACK_MTU = 65_536;
const DNS_PORT = 53;
const [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL] = [47, 4];
const CAPABILITY_VERSION_3 = 0x2008_0522;
const [SIG_DFL, SIG_IGN] = [0, 1];
const LAST_SIGNAL = 31;
const [F_SETFD, F_GETFL, F_SETFL] = [2, 3, 4];
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0o4000;

/**
 * The descriptors of a guest, in the order in which they are passed: `tun` is /dev/net/tun, `interface` an interface that exists already. A kernel
 * without nftables has no `rules`. `listener` and `opener`: where the guest has a source of sockets.
 */
export const GUEST_DESCRIPTORS = [
  'tun',
  'interface',
  'queries',
  'changes',
  'links',
  'dns',
  'dnsTcp',
  'rules',
  'listener',
  'opener',
] as const;
export type GuestDescriptor = (typeof GUEST_DESCRIPTORS)[number];
export type GuestDescriptors = Readonly<Partial<Record<GuestDescriptor, number | undefined>>>;

/** Opens `lo`, and allows pings and IPv6. Refusals are left to the programs that need these. */
export function prepareNetwork(): void {
  try {
    new InterfaceChanges().takeUp('lo', LOOPBACK_MTU);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error; // a container's own `lo` is up
  }
  const group = process.getgid?.() ?? 0;
  writeSysctl('net/ipv4/ping_group_range', `${group} ${group}`);
  for (const scope of ['all', 'default']) writeSysctl(`net/ipv6/conf/${scope}/disable_ipv6`, '0');
  writeSysctl('net/ipv6/conf/default/accept_ra', '0');
}

/**
 * Shows the processes of this process namespace in /proc, and names the resolver of the guest in /etc/resolv.conf, for processes of this mount
 * namespace. False when the resolver could not be named.
 */
export function prepareMounts(): boolean {
  const isNamed = nameResolver();
  sys.mount('proc', '/proc', 'proc', 0, null); // refused in a container that hides parts of /proc: it keeps the old one
  return isNamed;
}

/** Opens the descriptors that the client outside works with. Throws a SystemCallError. */
export function openGuestDescriptors(): GuestDescriptors {
  const tun = sys.open('/dev/net/tun', O_RDWR_NONBLOCK_CLOEXEC);
  if (tun < 0) throw new SystemCallError('open', errno());
  return { tun, ...openSockets(), dns: resolverSocket(SOCK_DGRAM), dnsTcp: resolverSocket(SOCK_STREAM) };
}

/** The same in a network that other programs use: only the interface is added to it. */
export function openAttachedDescriptors(interfaceName: string): GuestDescriptors {
  return { interface: new TunDevice(interfaceName).fd, ...openSockets() };
}

function openSockets(): GuestDescriptors {
  const netlink = (protocol: number): number => openSocket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, protocol);
  return {
    queries: netlink(NETLINK_ROUTE),
    changes: netlink(NETLINK_ROUTE),
    links: openSocket(AF_INET, SOCK_DGRAM),
    rules: orNone(() => netlink(NETLINK_NETFILTER)),
  };
}

/** None when port 53 is taken. */
function resolverSocket(type: number): number | undefined {
  return orNone(() => {
    const fd = openSocket(AF_INET, type | SOCK_NONBLOCK);
    setOption(fd, OPTION.REUSEADDR, 1);
    const address = new Memory(16);
    address.view.setUint16(0, AF_INET, true);
    address.view.setUint16(2, DNS_PORT);
    address.view.setUint32(4, 0x7f00_0001);
    const isBound = sys.bind(fd, address.address, 16) === 0;
    if (isBound && (type !== SOCK_STREAM || sys.listen(fd, BACKLOG) === 0)) return fd;
    const error = errno();
    sys.close(fd);
    throw new SystemCallError('bind', error);
  });
}

function orNone(open: () => number): number | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof SystemCallError) return undefined;
    throw error;
  }
}

/**
 * Becomes a program with the standard error `stderr`, without the rights over the namespaces. Returns only when that is not possible: with the error
 * number. `isPrivate`: the user has rights in a namespace of its own, which go. Root's own rights stay.
 */
export function become(
  words: readonly string[],
  stderr: number,
  ignored: readonly number[],
  isPrivate: boolean,
): number {
  if (isPrivate) dropRights();
  sys.dup2(stderr, 2);
  for (const fd of openDescriptors(stderr)) if (fd > 2) sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
  for (const fd of [0, 1, 2]) {
    sys.fcntl(fd, F_SETFD, 0); // Node closes even these at exec
    const flags = sys.fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && (flags & O_NONBLOCK) !== 0) sys.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  }
  for (let signal = 1; signal <= LAST_SIGNAL; signal++)
    sys.signal(signal, ignored.includes(signal) ? SIG_IGN : SIG_DFL);
  sys.execvp(words[0]!, [...words, null]);
  return errno();
}

/** All that are open in this process, which may have got some of the user's; without /proc those up to `least`. */
function openDescriptors(least: number): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number);
  } catch {
    return Array.from({ length: least + 1 }, (_, fd) => fd);
  }
}

function dropRights(): void {
  sys.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const [header, none] = [new Memory(8), new Memory(24)];
  header.view.setUint32(0, CAPABILITY_VERSION_3, true);
  none.bytes.fill(0);
  sys.capset(header.address, none.address);
}
