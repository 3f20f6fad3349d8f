import type { Ipv4 } from './ipv4.ts';

/**
 * Whether an address is global unicast in the sense of RFC 4380 section 5.2.4 (C-9). Directed broadcast addresses of
 * attached subnets are not known here: the caller excludes them.
 */
export function isGlobalIpv4(address: Ipv4): boolean {
  return isUnicastIpv4(address) && !NOT_GLOBAL.some(([base, mask]) => (address & mask) === base);
}

/** Whether an address, private ones included, may be the destination of a datagram to one host (E-8, E-96). */
export function isUnicastIpv4(address: Ipv4): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && (first < 224 || first > 239) && address !== 0xffffffff;
}

/** Base and mask as signed numbers, which is what `&` yields. */
const NOT_GLOBAL: readonly (readonly [number, number])[] = [
  [0x0a000000 | 0, 0xff000000 | 0], // 10.0.0.0/8
  [0xac100000 | 0, 0xfff00000 | 0], // 172.16.0.0/12
  [0xc0a80000 | 0, 0xffff0000 | 0], // 192.168.0.0/16
  [0xa9fe0000 | 0, 0xffff0000 | 0], // 169.254.0.0/16
  [0xc0586300 | 0, 0xffffff00 | 0], // 192.88.99.0/24
];
