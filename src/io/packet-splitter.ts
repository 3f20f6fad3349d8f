import { IPV6_HEADER, NEXT_HEADER, foldSum, internetChecksum, pseudoHeaderSum } from '../wire/index.ts';
import { readUint32, writeUint16, writeUint32 } from '../wire/index.ts';
import { VNET } from '../linux/tun.ts';

const TCP = { SEQUENCE: 4, DATA_OFFSET: 12, FLAGS: 13, CHECKSUM: 16, MIN: 20 } as const;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;
const UDP = { LENGTH: 4, CHECKSUM: 6, MIN: 8 } as const;

/**
 * Turns the packets of a TUN with offloads into packets as they belong on a wire: cuts super-packets into segments, and fills in the
 * checksums that the kernel left to its hardware. Works within one buffer.
 */
export class PacketSplitter {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  /** Offset of the super-packet, and the length of all its headers. */
  private at = 0;
  private headers = 0;
  private transport = 0;
  private isTcp = false;
  private size = 0;
  private flags = 0;
  /** The sum of the pseudo-header without the length. */
  private pseudo = 0;
  private done = 0;
  private total = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Completes, in place, a packet that is not a super-packet, as its virtio header at `header` says. False if that header makes no sense. */
  finish(header: number, at: number, length: number): boolean {
    const { bytes, view } = this;
    if ((bytes[header + VNET.FLAGS]! & VNET.NEEDS_CHECKSUM) === 0) return true;
    const start = view.getUint16(header + VNET.CHECKSUM_START, true);
    const place = start + view.getUint16(header + VNET.CHECKSUM_OFFSET, true);
    if (place + 2 > length) return false;
    // The field already holds the sum of the pseudo-header.
    const checksum = internetChecksum(bytes, at + start, at + length);
    // In UDP a checksum of 0 is not permitted; for other protocols 0 and ffff are equivalent. RFC 8200 section 8.1
    writeUint16(bytes, at + place, checksum === 0 ? 0xffff : checksum);
    return true;
  }

  /** Begins a super-packet; {@link next} then makes its segments. False if its headers make no sense. */
  begin(header: number, at: number, length: number): boolean {
    const { bytes, view } = this;
    const type = bytes[header + VNET.GSO_TYPE]! & ~VNET.GSO_ECN;
    this.isTcp = type === VNET.GSO_TCP6;
    this.at = at;
    this.size = view.getUint16(header + VNET.GSO_SIZE, true);
    this.transport = view.getUint16(header + VNET.CHECKSUM_START, true);
    this.done = this.total = 0;
    if (!this.isTcp && type !== VNET.GSO_UDP) return false;
    const least = this.transport + (this.isTcp ? TCP.MIN : UDP.MIN);
    if (this.transport < IPV6_HEADER || this.size === 0 || least > length) return false;
    const tcp = at + this.transport;
    this.headers = this.transport + (this.isTcp ? (bytes[tcp + TCP.DATA_OFFSET]! >> 4) * 4 : UDP.MIN);
    if (this.headers < least || this.headers > length) return false;
    this.flags = this.isTcp ? bytes[tcp + TCP.FLAGS]! : 0;
    this.pseudo = pseudoHeaderSum(bytes, at, this.isTcp ? NEXT_HEADER.TCP : NEXT_HEADER.UDP, 0);
    this.total = length - this.headers;
    return true;
  }

  /** Whether segments are left. */
  get hasMore(): boolean {
    return this.done < this.total;
  }

  /** The number of segments left. */
  get left(): number {
    return Math.ceil((this.total - this.done) / this.size);
  }

  /** The largest size of a segment. */
  get largest(): number {
    return this.headers + Math.min(this.size, this.total);
  }

  /** Writes the next segment to `to`, outside the super-packet; returns its length. */
  next(to: number): number {
    const { bytes, at, headers, transport, done } = this;
    const size = Math.min(this.size, this.total - done);
    const length = headers + size;
    bytes.copyWithin(to, at, at + headers);
    bytes.copyWithin(to + headers, at + headers + done, at + headers + done + size);
    writeUint16(bytes, to + 4, length - IPV6_HEADER);
    const upper = to + transport;
    if (this.isTcp) this.adaptTcp(upper, size);
    else writeUint16(bytes, upper + UDP.LENGTH, length - transport);
    const place = upper + (this.isTcp ? TCP.CHECKSUM : UDP.CHECKSUM);
    writeUint16(bytes, place, 0);
    const seed = foldSum(this.pseudo + length - transport);
    const checksum = internetChecksum(bytes, upper, to + length, seed);
    writeUint16(bytes, place, checksum === 0 ? 0xffff : checksum);
    this.done += size;
    return length;
  }

  private adaptTcp(tcp: number, size: number): void {
    const { bytes, done } = this;
    writeUint32(bytes, tcp + TCP.SEQUENCE, readUint32(bytes, tcp + TCP.SEQUENCE) + done);
    let { flags } = this;
    if (done + size < this.total) flags &= ~(TCP_FIN | TCP_PSH);
    if (done > 0) flags &= ~TCP_CWR;
    bytes[tcp + TCP.FLAGS] = flags;
  }
}
