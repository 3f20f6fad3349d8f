import { SystemCallError } from './errors.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { align } from './netlink.ts';

/** Names and numbers as in linux/netfilter/nf_tables.h. */
const SUBSYSTEM = 10;
const BATCH = { BEGIN: 0x10, END: 0x11 } as const;
const NFT_MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6, NEWSET: 9 } as const;
export const NLM_F = { EXCL: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;
const [NLM_F_REQUEST, NLM_F_ACK] = [1, 4];
const NLMSG_ERROR = 2;
const NLA_F_NESTED = 0x8000;
export const FAMILY = { ip: 2, ip6: 10 } as const;
/** struct nlmsghdr and struct nfgenmsg. */
const HEADERS = 20;
const BUFFER = 32_768;

/** The kernel's answer to a batch is not known: it was lost, or has not come. */
export class LostAnswer extends SystemCallError {}

/** Changes of nftables that the kernel makes all together or not at all. */
export class NftBatch {
  private readonly fd: number;
  private readonly family: keyof typeof FAMILY;
  private readonly memory = new Memory(BUFFER);
  private end = 0;
  private sequence = 0;
  private firstSequence = 0;

  /** `fd`: a socket of nfnetlink. */
  constructor(fd: number, family: keyof typeof FAMILY) {
    this.fd = fd;
    this.family = family;
  }

  /** Makes the changes that `write` describes. Throws a SystemCallError; a {@link LostAnswer} where they may have been made. */
  make(write: () => void): void {
    this.end = 0;
    this.firstSequence = this.sequence + 1;
    this.add(BATCH.BEGIN, 0, () => {});
    write();
    this.add(BATCH.END, 0, () => {});
    this.send();
  }

  message(type: keyof typeof NFT_MSG, flags: number, write: () => void): void {
    this.add((SUBSYSTEM << 8) | NFT_MSG[type], flags, write);
  }

  nest(type: number, write: () => void): void {
    const at = this.end;
    this.end += 4;
    write();
    this.memory.view.setUint16(at, this.end - at, true);
    this.memory.view.setUint16(at + 2, type | NLA_F_NESTED, true);
  }

  /** An expression of a rule: its attributes are those of its kind. */
  expression(name: string, write: () => void): void {
    this.nest(1, () => this.named(name, write));
  }

  /** The contents of an expression, in an attribute of its own. */
  named(name: string, write: () => void): void {
    this.text(1, name);
    this.nest(2, write);
  }

  word(type: number, value: number): void {
    const octets = new Uint8Array(4);
    new DataView(octets.buffer).setUint32(0, value);
    this.octets(type, octets);
  }

  longWord(type: number, value: number): void {
    const octets = new Uint8Array(8);
    new DataView(octets.buffer).setBigUint64(0, BigInt(value));
    this.octets(type, octets);
  }

  text(type: number, text: string): void {
    this.octets(type, new TextEncoder().encode(`${text}\0`));
  }

  octets(type: number, octets: Uint8Array): void {
    const { view, bytes } = this.memory;
    view.setUint16(this.end, 4 + octets.length, true);
    view.setUint16(this.end + 2, type, true);
    bytes.fill(0, this.end + 4, this.end + 4 + align(octets.length));
    bytes.set(octets, this.end + 4);
    this.end += 4 + align(octets.length);
  }

  private add(type: number, flags: number, write: () => void): void {
    const { view, bytes } = this.memory;
    const at = this.end;
    const isBatch = type === BATCH.BEGIN || type === BATCH.END;
    bytes.fill(0, at, at + HEADERS);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, NLM_F_REQUEST | (isBatch ? 0 : NLM_F_ACK) | flags, true);
    view.setUint32(at + 8, ++this.sequence, true);
    view.setUint8(at + 16, isBatch ? 0 : FAMILY[this.family]);
    view.setUint16(at + 18, isBatch ? SUBSYSTEM : 0);
    this.end += HEADERS;
    write();
    view.setUint32(at, this.end - at, true);
  }

  /** The kernel's answer is there when the write returns. It acknowledges each message but the first and the last. */
  private send(): void {
    const { address, view } = this.memory;
    if (sys.write(this.fd, address, this.end) < 0) throw new SystemCallError('nfnetlink', errno());
    const unanswered = new Set<number>();
    for (let at = this.firstSequence + 1; at < this.sequence; at++) unanswered.add(at);
    let refusal = 0;
    for (;;) {
      const length = sys.read(this.fd, address, BUFFER);
      if (length < 0 && errno() !== E.EAGAIN) throw new LostAnswer('nfnetlink', errno());
      if (length <= 0) break;
      for (let at = 0; at + HEADERS <= length; at += align(Math.max(HEADERS, view.getUint32(at, true)))) {
        const sequence = view.getUint32(at + 8, true);
        if (view.getUint16(at + 4, true) !== NLMSG_ERROR || sequence < this.firstSequence) continue; // of a change before
        unanswered.delete(sequence);
        if (refusal === 0) refusal = -view.getInt32(at + 16, true);
      }
    }
    if (refusal !== 0) throw new SystemCallError('nfnetlink', refusal);
    if (unanswered.size > 0) throw new LostAnswer('nfnetlink', E.EAGAIN);
  }
}

/** Values in the machine's order: indexes of interfaces, users, and the state of a connection. */
export function hostOrder(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value, true);
  return octets;
}
