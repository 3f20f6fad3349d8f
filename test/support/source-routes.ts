import { IPV6_HEADER, NEXT_HEADER, copyBytes } from '../../src/wire/index.ts';

/** An extension header: its own Next Header value, and its octets after the first one (the Next Header value of the header that follows). */
type Extension = readonly [header: number, ...octets: number[]];

const ROUTING_0: Extension = [NEXT_HEADER.ROUTING, 2, 0, 1, ...zeros(20)];
const OPTIONS: Extension = [NEXT_HEADER.DESTINATION_OPTIONS, 0, 1, 4, ...zeros(4)];
const AUTHENTICATION: Extension = [NEXT_HEADER.AUTHENTICATION, 1, ...zeros(10)];
const FIRST_FRAGMENT: Extension = [NEXT_HEADER.FRAGMENT, 0, 0, 1, ...zeros(4)];
const LATER_FRAGMENT: Extension = [NEXT_HEADER.FRAGMENT, 0, 1, 0, ...zeros(4)];

/** Chains of extension headers with a routing header of type 0, or that may hide one: such packets are dropped. C-31 */
export const SOURCE_ROUTED: readonly (readonly [name: string, chain: readonly Extension[]])[] = [
  ['a routing header of type 0', [ROUTING_0]],
  ['one with no segments left', [[NEXT_HEADER.ROUTING, 0, 0, 0, ...zeros(4)]]],
  ['one behind hop-by-hop options', [[NEXT_HEADER.HOP_BY_HOP, 0, 1, 4, ...zeros(4)], ROUTING_0]],
  ['one behind destination options', [OPTIONS, ROUTING_0]],
  [
    'one behind long destination options',
    [[NEXT_HEADER.DESTINATION_OPTIONS, 1, 1, 12, ...zeros(12)], ROUTING_0],
  ],
  ['one behind an authentication header', [AUTHENTICATION, ROUTING_0]],
  ['one behind a mobility header', [[NEXT_HEADER.MOBILITY, 0, ...zeros(6)], ROUTING_0]],
  ['one behind a routing header of type 2', [[NEXT_HEADER.ROUTING, 2, 2, 1, ...zeros(20)], ROUTING_0]],
  ['one in a first fragment', [FIRST_FRAGMENT, ROUTING_0]],
  ['one in an only fragment', [[NEXT_HEADER.FRAGMENT, 0, 0, 0, ...zeros(4)], ROUTING_0]],
  ['one in front of a later fragment', [ROUTING_0, LATER_FRAGMENT]],
  ['one in a first fragment behind destination options', [OPTIONS, FIRST_FRAGMENT, OPTIONS, ROUTING_0]],
  [
    'a first fragment that ends in front of it',
    [FIRST_FRAGMENT, [NEXT_HEADER.DESTINATION_OPTIONS, 9, 1, 4, ...zeros(4)], ROUTING_0],
  ],
];

/** Chains without one: such packets pass. */
export const NOT_SOURCE_ROUTED: readonly (readonly [name: string, chain: readonly Extension[]])[] = [
  ['destination options', [OPTIONS]],
  ['a routing header of type 2', [[NEXT_HEADER.ROUTING, 2, 2, 1, ...zeros(20)]]],
  ['an authentication header', [AUTHENTICATION]],
  ['a first fragment', [FIRST_FRAGMENT]],
  ['a later fragment, whose data look like a routing header', [LATER_FRAGMENT, ROUTING_0]],
  ['an encrypted payload that looks like one', [[50, 0, 0, 1, ...zeros(4)]]],
];

/** The packet with these extension headers inserted after its IPv6 header. */
export function extended(packet: Uint8Array, chain: readonly Extension[]): Uint8Array {
  const next = [...chain.map(([header]) => header), packet[6]!];
  const octets = chain.flatMap(([, ...rest], i) => [next[i + 1]!, ...rest]);
  const result = new Uint8Array(packet.length + octets.length);
  copyBytes(packet, 0, result, 0, IPV6_HEADER);
  result[6] = next[0]!;
  result.set(octets, IPV6_HEADER);
  result.set(packet.subarray(IPV6_HEADER), IPV6_HEADER + octets.length);
  const length = result.length - IPV6_HEADER;
  result.set([length >> 8, length & 0xff], 4);
  return result;
}

function zeros(count: number): number[] {
  return Array.from({ length: count }, () => 0);
}
