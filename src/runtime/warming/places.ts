/** The Internet of a rehearsal: addresses, and the packets of its hosts. */
import {
  DESTINATION,
  NEXT_HEADER,
  SOURCE,
  buildEchoReply,
  buildEchoRequest,
  echoData,
  icmpv6Type,
  ICMPV6,
  nextHeader,
  parseIpv6,
  writeUint16,
} from '../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../wire/index.ts';

export const SERVER: Endpoint = { address: 0x08000001, port: 3544 };
export const SECONDARY: Endpoint = { address: 0x08000002, port: 3544 };
const [CLIENTS, RELAYS] = [0x09000000, 0x0b000000];

/** Of the `nth` client, as its NAT maps it. */
export const mappedPair = (nth: number): Endpoint => ({ address: CLIENTS + 1 + nth, port: 40_000 });
/** Of the relay near the `nth` native host. */
export const relayPair = (nth: number): Endpoint => ({ address: RELAYS + 1 + nth, port: 3545 });

/** Every host has a /64 of its own, so that no limit of one network is reached. */
export function nativeHost(nth: number): Ipv6 {
  const address = parseIpv6('2a00::1')!;
  writeUint16(address, 6, nth);
  return address;
}

/** Which native host that is. */
export function numberOf(address: Uint8Array, at: number): number {
  return (address[at + 6]! << 8) | address[at + 7]!;
}

export function echoRequest(source: Ipv6, destination: Ipv6): Uint8Array {
  const data = new Uint8Array(56);
  return buildEchoRequest({ source, destination, hopLimit: 64, identifier: 1, sequence: 1, data });
}

export function isEchoRequest(packet: Uint8Array): boolean {
  return nextHeader(packet, 0) === NEXT_HEADER.ICMPV6 && icmpv6Type(packet, 0) === ICMPV6.ECHO_REQUEST;
}

/** The reply to a request, as the asked host sends it. */
export function echoReply(request: Uint8Array): Uint8Array {
  const { start, end } = echoData(request, 0);
  return buildEchoReply({
    source: request.slice(DESTINATION, DESTINATION + 16),
    destination: request.slice(SOURCE, SOURCE + 16),
    hopLimit: 64,
    identifier: (request[44]! << 8) | request[45]!,
    sequence: (request[46]! << 8) | request[47]!,
    data: request.slice(start, end),
  });
}
