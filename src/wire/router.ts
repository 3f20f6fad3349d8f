import { equalBytes, readUint32, writeUint32 } from './bytes.ts';
import { ICMPV6, checkIcmpv6, icmpv6Code, icmpv6Type, sealIcmpv6 } from './icmpv6.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Ipv6 } from './ipv6.ts';
import {
  DESTINATION,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  hopLimit,
  nextHeader,
  payloadLength,
  writeIpv6Header,
} from './ipv6.ts';
import { ALL_ROUTERS, isLinkLocal, isUnspecified } from './ipv6-scope.ts';
import { teredoPrefix } from './teredo-address.ts';

/** Why a router solicitation or advertisement is not valid. RFC 4861 sections 6.1.1 and 6.1.2. */
export type RouterReason =
  | 'wrong-type'
  | 'wrong-source'
  | 'wrong-destination'
  | 'wrong-hop-limit'
  | 'wrong-code'
  | 'too-short'
  | 'bad-option'
  | 'bad-checksum';

/** 48 octets, without options. C-20 */
export function buildRouterSolicitation(source: Ipv6): Uint8Array {
  const packet = startMessage(ICMPV6.RS, 8, source, ALL_ROUTERS);
  sealIcmpv6(packet, 0);
  return packet;
}

/** Checks the (whole) IPv6 packet at `o`. S-18 */
export function checkRouterSolicitation(b: Uint8Array, o: number): RouterReason | undefined {
  const reason = checkMessage(b, o, ICMPV6.RS, 8);
  if (reason !== undefined) return reason;
  if (!equalBytes(b, o + DESTINATION, ALL_ROUTERS, 0, 16)) return 'wrong-destination';
  if (isUnspecified(b, o + SOURCE) && hasOption(b, o, 8, OPTION.SOURCE_LINK_LAYER)) return 'bad-option';
  return undefined;
}

/** A router advertisement of a Teredo server: one /64, infinite lifetimes, all other fields unspecified. C-22, S-31, A-17 */
export function buildRouterAdvertisement(advertisement: {
  source: Ipv6;
  destination: Ipv6;
  prefixServer: Ipv4;
  mtu: number | undefined;
  /** Adds the {@link OPTION.ONE_ADDRESS} option. */
  oneAddress?: boolean;
}): Uint8Array {
  const { source, destination, prefixServer, mtu, oneAddress = false } = advertisement;
  const options = (mtu === undefined ? 0 : 8) + 32 + (oneAddress ? 8 : 0);
  const packet = startMessage(ICMPV6.RA, 16 + options, source, destination);
  const prefix = IPV6_HEADER + 16;
  packet[prefix] = OPTION.PREFIX_INFORMATION;
  packet[prefix + 1] = 4;
  packet[prefix + 2] = 64;
  packet[prefix + 3] = PREFIX_AUTONOMOUS;
  writeUint32(packet, prefix + 4, 0xffffffff);
  writeUint32(packet, prefix + 8, 0xffffffff);
  packet.set(teredoPrefix(prefixServer), prefix + 16);
  if (mtu !== undefined) {
    packet[prefix + 32] = OPTION.MTU;
    packet[prefix + 33] = 1;
    writeUint32(packet, prefix + 36, mtu);
  }
  if (oneAddress) {
    const at = packet.length - 8;
    packet[at] = OPTION.ONE_ADDRESS;
    packet[at + 1] = 1;
    packet.set(ONE_ADDRESS_MARK, at + 2);
  }
  sealIcmpv6(packet, 0);
  return packet;
}

/** A Prefix Information option. RFC 4861 section 4.6.2. Lifetimes in seconds; 0xffffffff: infinite. */
export interface PrefixInformation {
  addressOffset: number;
  length: number;
  flags: number;
  valid: number;
  preferred: number;
}

/** The content of a valid router advertisement, as far as a Teredo client needs it. */
export interface RouterAdvertisement {
  reason?: undefined;
  sourceOffset: number;
  destinationOffset: number;
  prefixes: PrefixInformation[];
  mtu: number | undefined;
  /** The server says that it has no secondary address. */
  oneAddress: boolean;
}

/** Reads the (whole) IPv6 packet at `o`. C-21 */
export function parseRouterAdvertisement(
  b: Uint8Array,
  o: number,
): RouterAdvertisement | { reason: RouterReason } {
  const reason = checkMessage(b, o, ICMPV6.RA, 16);
  if (reason !== undefined) return { reason };
  if (!isLinkLocal(b, o + SOURCE)) return { reason: 'wrong-source' };
  const prefixes: PrefixInformation[] = [];
  let mtu: number | undefined;
  let oneAddress = false;
  const end = o + IPV6_HEADER + payloadLength(b, o);
  for (let at = o + IPV6_HEADER + 16; at < end; at += 8 * b[at + 1]) {
    if (b[at] === OPTION.PREFIX_INFORMATION) {
      if (b[at + 1] !== 4) return { reason: 'bad-option' };
      prefixes.push(prefixInformationAt(b, at));
    } else if (b[at] === OPTION.MTU) {
      if (b[at + 1] !== 1) return { reason: 'bad-option' };
      mtu = readUint32(b, at + 4);
    } else if (b[at] === OPTION.ONE_ADDRESS && b[at + 1] === 1) {
      oneAddress = equalBytes(b, at + 2, ONE_ADDRESS_MARK, 0, ONE_ADDRESS_MARK.length);
    }
  }
  return { sourceOffset: o + SOURCE, destinationOffset: o + DESTINATION, prefixes, mtu, oneAddress };
}

/**
 * RFC 4861 section 4.6. 253 is a number for experiments (RFC 4727); a receiver that does not know the option skips it. A server of
 * this program says with it that it has one IPv4 address only, so that a client of this program does not wait for the secondary one.
 */
const OPTION = { SOURCE_LINK_LAYER: 1, PREFIX_INFORMATION: 3, MTU: 5, ONE_ADDRESS: 253 } as const;

/** "Tdo 1a": distinguishes this option from other experiments with the same number. */
const ONE_ADDRESS_MARK = new Uint8Array([0x54, 0x64, 0x6f, 0x20, 0x31, 0x61]);

/** The A flag of a Prefix Information option. */
const PREFIX_AUTONOMOUS = 0x40;

/** A message with its type and zeros otherwise; the checksum is not set yet. */
function startMessage(type: number, length: number, source: Ipv6, destination: Ipv6): Uint8Array {
  const packet = new Uint8Array(IPV6_HEADER + length);
  writeIpv6Header(packet, 0, {
    payloadLength: length,
    nextHeader: NEXT_HEADER.ICMPV6,
    hopLimit: 255,
    source,
    destination,
  });
  packet[IPV6_HEADER] = type;
  return packet;
}

/** The checks that both messages need; `fixed`: octets before the options. */
function checkMessage(b: Uint8Array, o: number, type: number, fixed: number): RouterReason | undefined {
  const length = payloadLength(b, o);
  if (nextHeader(b, o) !== NEXT_HEADER.ICMPV6 || length === 0 || icmpv6Type(b, o) !== type)
    return 'wrong-type';
  if (hopLimit(b, o) !== 255) return 'wrong-hop-limit';
  if (length < fixed) return 'too-short';
  if (icmpv6Code(b, o) !== 0) return 'wrong-code';
  const end = o + IPV6_HEADER + length;
  let at = o + IPV6_HEADER + fixed;
  while (at < end) {
    if (end - at < 8 || b[at + 1] === 0) return 'bad-option';
    at += 8 * b[at + 1];
  }
  if (at !== end) return 'bad-option';
  return checkIcmpv6(b, o) ? undefined : 'bad-checksum';
}

/** Whether a checked message has an option of this type. */
function hasOption(b: Uint8Array, o: number, fixed: number, type: number): boolean {
  const end = o + IPV6_HEADER + payloadLength(b, o);
  for (let at = o + IPV6_HEADER + fixed; at < end; at += 8 * b[at + 1]) if (b[at] === type) return true;
  return false;
}

function prefixInformationAt(b: Uint8Array, at: number): PrefixInformation {
  return {
    addressOffset: at + 16,
    length: b[at + 2],
    flags: b[at + 3],
    valid: readUint32(b, at + 4),
    preferred: readUint32(b, at + 8),
  };
}
