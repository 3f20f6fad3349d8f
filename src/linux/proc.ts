import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { isShortage } from './system-failures.ts';

/**
 * A sysctl's value; undefined if this kernel does not have it. Throws if the process may open no more files. Names have slashes:
 * `net/ipv6/conf/all/forwarding`.
 */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch (error) {
    unlessShort(error);
    return undefined; // it does not exist (IPv6 switched off), or is not readable
  }
}

/** False where it could not be written. */
export function writeSysctl(name: string, value: string): boolean {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
    return true;
  } catch (error) {
    unlessShort(error);
    return false; // no such setting, or a read-only /proc as in many containers
  }
}

/** The folder with the tables of a network namespace: that of this process. Another one's: `/proc/PID/net`. */
const OWN_TABLES = '/proc/net';

export interface Ipv6DefaultRoute {
  readonly interface: string;
  /** Whether it applies to packets from any source. */
  readonly anySource: boolean;
}

/** The IPv6 default routes, without those that lead nowhere. */
export function ipv6DefaultRoutes(tables = OWN_TABLES): Ipv6DefaultRoute[] {
  const RTF_REJECT = 0x200;
  return lines(`${tables}/ipv6_route`)
    .map((line) => line.trim().split(/\s+/))
    .filter(([destination, length]) => length === '00' && destination === '0'.repeat(32))
    .filter((fields) => fields[9] !== 'lo' && (Number.parseInt(fields[8] ?? '0', 16) & RTF_REJECT) === 0)
    .map((fields) => ({ interface: fields[9] ?? '', anySource: fields[3] === '00' }));
}

export interface Ipv6AddressAt {
  readonly address: Uint8Array;
  readonly interface: string;
}

/** The IPv6 addresses of all interfaces, without those that another host has, too (IFA_F_DADFAILED). */
export function ipv6Addresses(tables = OWN_TABLES): Ipv6AddressAt[] {
  const IFA_F_DADFAILED = 0x08;
  return lines(`${tables}/if_inet6`)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 6 && (Number.parseInt(fields[4]!, 16) & IFA_F_DADFAILED) === 0)
    .map((fields) => ({
      address: new Uint8Array(Buffer.from(fields[0]!, 'hex')),
      interface: fields[5]!,
    }));
}

/** The interfaces with an IPv6 address that begins with these hexadecimal digits. */
export function interfacesWithIpv6(digits: string, tables = OWN_TABLES): Set<string> {
  const addresses = lines(`${tables}/if_inet6`).filter((line) => line.startsWith(digits));
  return new Set(addresses.map((line) => line.trim().split(/\s+/)[5] ?? ''));
}

export interface Ipv6AddressOf {
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** An interface's IPv6 addresses, even if it is down. */
export function ipv6AddressesOf(name: string, tables = OWN_TABLES): Ipv6AddressOf[] {
  return lines(`${tables}/if_inet6`)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[5] === name)
    .map(([digits = '', , length = '']) => ({
      address: new Uint8Array(Buffer.from(digits, 'hex')),
      prefixLength: Number.parseInt(length, 16),
    }));
}

/** Number of datagrams that the system dropped because a UDP socket's buffer was full, of all sockets of this network namespace. */
export function udpBufferOverflows(): number {
  const [names, values] = lines('/proc/net/snmp')
    .filter((line) => line.startsWith('Udp: '))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('RcvbufErrors') ?? -1] ?? 0);
}

/** The addresses and ports of this namespace's UDP sockets over IPv4. Throws if the process may open no more files. */
export function udpSockets(): { readonly address: number; readonly port: number }[] {
  return lines('/proc/thread-self/net/udp').flatMap((line) => {
    const found = /^ *\d+: ((?:[0-9A-F]{2}){4}):([0-9A-F]{4}) /.exec(line);
    if (found === null) return [];
    const address = Buffer.from(found[1]!, 'hex').readUInt32LE(0); // the kernel prints it in the machine's order
    return [{ address, port: Number.parseInt(found[2]!, 16) }];
  });
}

/** "pid 123, miredo": the process that has a UDP port of this namespace, if this process may see it. */
export function holderOfUdpPort(port: number): string | undefined {
  try {
    return findHolder(port);
  } catch {
    return undefined; // the process is only named in a message
  }
}

function findHolder(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set(
    lines('/proc/net/udp')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(suffix) === true)
      .map((fields) => `socket:[${fields[9]}]`),
  );
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (descriptors(pid).some((target) => inodes.has(target))) {
      return `pid ${pid}, ${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()}`;
    }
  }
  return undefined;
}

function descriptors(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => target(`/proc/${pid}/fd/${fd}`));
  } catch {
    return []; // ended meanwhile, or a process of another user
  }
}

function target(link: string): string[] {
  try {
    return [readlinkSync(link)];
  } catch {
    return []; // closed meanwhile
  }
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    unlessShort(error);
    return []; // this kernel does not have the table
  }
}

/** Throws if a table cannot be read now: an empty result would mean that all addresses and routes are gone. */
function unlessShort(error: unknown): void {
  if (isShortage(error)) throw error;
}
