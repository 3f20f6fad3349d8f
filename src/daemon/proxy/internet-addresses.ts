import {
  inIpv4Prefix,
  inPrefix,
  isTeredo,
  mappedAddressOf,
  parseIpv4Prefix,
  parsePrefix,
  readUint16,
  readUint32,
} from '../../wire/index.ts';
import type { Ipv4, Ipv6 } from '../../wire/index.ts';

/** Addresses of this host or link, of many hosts at once, or of none. */
const NEVER = [
  '0.0.0.0/8', // this network, RFC 1122 section 3.2.1.3
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, RFC 3927
  '192.0.0.0/24', // between a host and its own translator, RFC 6890 section 2.2.2, RFC 7335
  '192.88.99.0/24', // 6to4 relays, RFC 7526
  '224.0.0.0/4', // multicast, RFC 5771
  '240.0.0.0/4', // reserved, RFC 1112 section 4
].map((text) => parseIpv4Prefix(text)!);

/** Addresses of closed networks. */
const CLOSED = [
  '10.0.0.0/8', // private, RFC 1918
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10', // between customers and a carrier's NAT, RFC 6598
  '198.18.0.0/15', // benchmarks, RFC 2544
  '192.0.2.0/24', // documentation, RFC 5737
  '198.51.100.0/24',
  '203.0.113.0/24',
].map((text) => parseIpv4Prefix(text)!);

/** 2000::/3, RFC 4291 section 2.4. */
const GLOBAL_UNICAST = parsePrefix('2000::/3')!;
const CLOSED_IPV6 = [
  '2001:2::/48', // benchmarks, RFC 5180
  '2001:10::/28', // identifiers of hosts, RFC 4843
  '2001:20::/28', // RFC 7343
  '2001:db8::/32', // documentation, RFC 3849
  '3fff::/20', // RFC 9637
].map((text) => parsePrefix(text)!);
/** First group of 6to4 addresses, 2002::/16. RFC 3056 section 2 */
const SIX_TO_FOUR = 0x2002;

/** Whether an address is one of the Internet. `isClosed`: the Internet is a closed network. */
export function isInternetIpv4(address: Ipv4, isClosed: boolean): boolean {
  if (NEVER.some((prefix) => inIpv4Prefix(address, prefix))) return false;
  return isClosed || !CLOSED.some((prefix) => inIpv4Prefix(address, prefix));
}

/**
 * As above. The IPv4 address in an address of 6to4 or Teredo counts, too. Other forms with an IPv4 address in them are no global unicast addresses: ::ffff:0:0/96, and
 * 64:ff9b::/96 and 64:ff9b:1::/48 of NAT64.
 */
export function isInternetIpv6(address: Ipv6, isClosed: boolean): boolean {
  if (!inPrefix(address, 0, GLOBAL_UNICAST)) return false;
  if (!isClosed && CLOSED_IPV6.some((prefix) => inPrefix(address, 0, prefix))) return false;
  const ipv4 = ipv4In(address);
  return ipv4 === undefined || isInternetIpv4(ipv4, isClosed);
}

function ipv4In(address: Ipv6): Ipv4 | undefined {
  if (isTeredo(address, 0)) return mappedAddressOf(address, 0);
  return readUint16(address, 0) === SIX_TO_FOUR ? readUint32(address, 2) : undefined;
}
