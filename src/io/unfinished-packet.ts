import { TUNNEL_MTU } from '../core/constants.ts';
import { VNET } from '../linux/tun.ts';
import {
  IPV6_HEADER,
  NEXT_HEADER,
  foldSum,
  nextHeader,
  payloadLength,
  pseudoHeaderSum,
  readUint16,
} from '../wire/index.ts';

const TCP = { CHECKSUM: 16, LENGTHS: 12, MIN: 20 } as const;
const UDP = { CHECKSUM: 6, MIN: 8 } as const;

/**
 * The virtio header for one packet. On virtual links the sender's kernel leaves the checksum, and the segmentation of TCP, to the receiver
 * (adr/0013). The checksum field then holds the sum of the pseudo-header only, and this header asks the local kernel to do the rest.
 */
export function writeVirtioHeader(head: Uint8Array, b: Uint8Array, at: number, length: number): void {
  // One by one: fill() is a call into C++.
  for (let i = 0; i < VNET.LENGTH; i++) head[i] = 0;
  const upper = at + IPV6_HEADER;
  const size = length - IPV6_HEADER;
  if (size < UDP.MIN || payloadLength(b, at) !== size) return;
  const protocol = nextHeader(b, at);
  const isTcp = protocol === NEXT_HEADER.TCP && size >= TCP.MIN;
  if (!isTcp && protocol !== NEXT_HEADER.UDP) return;
  const place = isTcp ? TCP.CHECKSUM : UDP.CHECKSUM;
  if (readUint16(b, upper + place) !== foldSum(pseudoHeaderSum(b, at, protocol, size))) return;
  head[VNET.FLAGS] = VNET.NEEDS_CHECKSUM;
  writeNative(head, VNET.CHECKSUM_START, IPV6_HEADER);
  writeNative(head, VNET.CHECKSUM_OFFSET, place);
  if (!isTcp || length <= TUNNEL_MTU) return; // of UDP, the size of the segments is not known
  const headers = IPV6_HEADER + (b[upper + TCP.LENGTHS]! >> 4) * 4;
  head[VNET.GSO_TYPE] = VNET.GSO_TCP6;
  writeNative(head, VNET.HEADER_LENGTH, headers);
  writeNative(head, VNET.GSO_SIZE, TUNNEL_MTU - headers);
}

/** Little-endian: linux/libc.ts refuses other hosts. */
export function writeNative(b: Uint8Array, o: number, value: number): void {
  b[o] = value;
  b[o + 1] = value >>> 8;
}
