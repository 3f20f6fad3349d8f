import { ICMPV6, NEXT_HEADER, icmpv6Type, nextHeader, payloadLength, readUint32 } from '../../wire/index.ts';
import type { Ipv6Prefix } from '../../wire/index.ts';

/** The native addresses that a relay serves. Never Teredo, link-local, multicast, unspecified or loopback ones. */
export class ServedRange {
  /** Eight words for each prefix: address and mask. */
  private words = new Uint32Array(0);

  constructor(prefixes: readonly Ipv6Prefix[]) {
    this.set(prefixes);
  }

  set(prefixes: readonly Ipv6Prefix[]): void {
    this.words = new Uint32Array(prefixes.length * 8);
    prefixes.forEach(({ address, length }, at) => {
      for (let i = 0; i < 4; i++) {
        const bits = Math.min(32, Math.max(0, length - 32 * i));
        const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
        this.words[at * 8 + i] = readUint32(address, 4 * i) & mask;
        this.words[at * 8 + 4 + i] = mask;
      }
    });
  }

  has(buffer: Uint8Array, offset: number): boolean {
    const a = readUint32(buffer, offset);
    const b = readUint32(buffer, offset + 4);
    if (a === 0x20010000 || a >>> 24 === 0xff || a >>> 22 === 0x3fa) return false;
    const c = readUint32(buffer, offset + 8);
    const d = readUint32(buffer, offset + 12);
    if (a === 0 && b === 0 && c === 0 && d <= 1) return false;
    const { words } = this;
    for (let w = 0; w < words.length; w += 8) {
      const off = (a & words[w + 4]) ^ words[w];
      if (
        (off | ((b & words[w + 5]) ^ words[w + 1]) | ((c & words[w + 6]) ^ words[w + 2])) === 0 &&
        ((d & words[w + 7]) ^ words[w + 3]) === 0
      ) {
        return true;
      }
    }
    return false;
  }
}

/** Whether the IPv6 packet at `start` is an ICMPv6 echo reply. */
export function isEchoReply(buffer: Uint8Array, start: number): boolean {
  return (
    nextHeader(buffer, start) === NEXT_HEADER.ICMPV6 &&
    payloadLength(buffer, start) >= 8 &&
    icmpv6Type(buffer, start) === ICMPV6.ECHO_REPLY
  );
}
