import { SystemCallError } from './errors.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { AF_NETLINK, NETLINK_NETFILTER, align } from './netlink.ts';
import { SOCK_NONBLOCK, SOCK_RAW, isSocketOf, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';

/** Names and numbers as in linux/netfilter/nf_tables.h. */
const SUBSYSTEM = 10;
const BATCH = { BEGIN: 0x10, END: 0x11 } as const;
const NFT_MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6 } as const;
const NFT_TABLE_F_OWNER = 2;
const NLM_F = { REQUEST: 1, ACK: 4, EXCL: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;
const NLMSG_ERROR = 2;
const NLA_F_NESTED = 0x8000;
const FAMILY_IP6 = 10;
/** struct nlmsghdr and struct nfgenmsg. */
const HEADERS = 20;
const BUFFER = 32_768;
const REGISTER = 1;
const VERDICT = { drop: 0, accept: 1 } as const;
const COMPARISON = { is: 0, 'is not': 1 } as const;
const META = { in: 4, out: 5 } as const;
const HOOK = { prerouting: 0, postrouting: 4 } as const;
/** The priority of a table's chain, before or after the others of its hook: `filter`, after conntrack. */
const PRIORITY_FILTER = 0;
/** Offset of the source in an IPv6 header. */
const SOURCE = 8;
const NF_CT_STATE = { established: 1 << 1, related: 1 << 2 } as const;

/** One condition of a rule. */
export type Condition =
  | { readonly interface: 'in' | 'out'; readonly how: 'is' | 'is not'; readonly index: number }
  | { readonly source: Uint8Array }
  | 'established or related';

export interface OwnRule {
  readonly when: readonly Condition[];
  readonly verdict: 'drop' | 'accept';
}

/** A base chain, named after its hook, that accepts packets that no rule decides. */
export interface OwnChain {
  readonly hook: keyof typeof HOOK;
  readonly rules: readonly OwnRule[];
}

/**
 * An nftables table for IPv6 that belongs to a socket of this process. No other socket can change it, and the kernel removes it when the last
 * descriptor of the socket is closed, as at the end of the process (NFT_TABLE_F_OWNER, Linux 5.12).
 */
export class OwnTable {
  readonly fd: number;
  private readonly name: string;
  private readonly memory = new Memory(BUFFER);
  private end = 0;
  private sequence = 0;
  /** Of the change that is being made. */
  private firstSequence = 0;
  /** Undefined: the kernel's answer to the latest change was lost. */
  private exists: boolean | undefined = false;
  private closed = false;

  /** `kept`: the socket of a predecessor ({@link isTableSocket}). Throws a SystemCallError: EPROTONOSUPPORT if the kernel has no nftables. */
  constructor(name: string, open: OpenSocket = openSocket, kept?: number) {
    this.name = name;
    this.fd = kept ?? open(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (kept !== undefined) this.exists = undefined;
  }

  /**
   * Replaces the chains of the table by these, in one step. On failure throws a SystemCallError and changes nothing, unless the kernel's answer
   * was lost (ENOBUFS, EAGAIN). EEXIST: another program has a table of this name. EPERM: no CAP_NET_ADMIN.
   */
  set(chains: readonly OwnChain[]): void {
    if (this.closed) return;
    if (this.exists !== undefined) return this.change(chains, this.exists);
    try {
      this.change(chains, true);
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== 'ENOENT') throw error;
      this.change(chains, false);
    }
  }

  /** Removes the table. Harmless when repeated. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.close(this.fd);
  }

  private change(chains: readonly OwnChain[], exists: boolean): void {
    this.end = 0;
    this.firstSequence = this.sequence + 1;
    this.message(BATCH.BEGIN, 0, () => {});
    if (exists) this.message((SUBSYSTEM << 8) | NFT_MSG.DELTABLE, 0, () => this.text(1, this.name));
    this.message((SUBSYSTEM << 8) | NFT_MSG.NEWTABLE, NLM_F.CREATE | NLM_F.EXCL, () => {
      this.text(1, this.name);
      this.word(2, NFT_TABLE_F_OWNER);
    });
    for (const chain of chains) this.chain(chain);
    this.message(BATCH.END, 0, () => {});
    this.send();
    this.exists = true;
  }

  private chain({ hook, rules }: OwnChain): void {
    this.message((SUBSYSTEM << 8) | NFT_MSG.NEWCHAIN, NLM_F.CREATE, () => {
      this.text(1, this.name);
      this.text(3, hook);
      this.nest(4, () => {
        this.word(1, HOOK[hook]);
        this.word(2, PRIORITY_FILTER);
      });
      this.word(5, VERDICT.accept);
      this.text(7, 'filter');
    });
    for (const { when, verdict } of rules) {
      this.message((SUBSYSTEM << 8) | NFT_MSG.NEWRULE, NLM_F.CREATE | NLM_F.APPEND, () => {
        this.text(1, this.name);
        this.text(2, hook);
        this.nest(4, () => {
          for (const condition of when) this.condition(condition);
          this.decide(verdict);
        });
      });
    }
  }

  private condition(condition: Condition): void {
    if (condition === 'established or related') {
      this.expression('ct', () => {
        this.word(1, REGISTER);
        this.word(2, 0); // NFT_CT_STATE
      });
      this.expression('bitwise', () => {
        this.word(1, REGISTER);
        this.word(2, REGISTER);
        this.word(3, 4);
        this.nest(4, () => this.octets(1, hostOrder(NF_CT_STATE.established | NF_CT_STATE.related)));
        this.nest(5, () => this.octets(1, hostOrder(0)));
      });
      this.compare('is not', hostOrder(0));
    } else if ('source' in condition) {
      this.expression('payload', () => {
        this.word(1, REGISTER);
        this.word(2, 1); // NFT_PAYLOAD_NETWORK_HEADER
        this.word(3, SOURCE);
        this.word(4, condition.source.length);
      });
      this.compare('is', condition.source);
    } else {
      this.expression('meta', () => {
        this.word(1, REGISTER);
        this.word(2, META[condition.interface]);
      });
      this.compare(condition.how, hostOrder(condition.index));
    }
  }

  private compare(how: keyof typeof COMPARISON, value: Uint8Array): void {
    this.expression('cmp', () => {
      this.word(1, REGISTER);
      this.word(2, COMPARISON[how]);
      this.nest(3, () => this.octets(1, value));
    });
  }

  private decide(verdict: keyof typeof VERDICT): void {
    this.expression('counter', () => {});
    this.expression('immediate', () => {
      this.word(1, 0); // NFT_REG_VERDICT
      this.nest(2, () => this.nest(2, () => this.word(1, VERDICT[verdict])));
    });
  }

  private expression(name: string, write: () => void): void {
    this.nest(1, () => {
      this.text(1, name);
      this.nest(2, write);
    });
  }

  private message(type: number, flags: number, write: () => void): void {
    const { view, bytes } = this.memory;
    const at = this.end;
    const isBatch = type === BATCH.BEGIN || type === BATCH.END;
    bytes.fill(0, at, at + HEADERS);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, NLM_F.REQUEST | (isBatch ? 0 : NLM_F.ACK) | flags, true);
    view.setUint32(at + 8, ++this.sequence, true);
    view.setUint8(at + 16, isBatch ? 0 : FAMILY_IP6);
    view.setUint16(at + 18, isBatch ? SUBSYSTEM : 0);
    this.end += HEADERS;
    write();
    view.setUint32(at, this.end - at, true);
  }

  private nest(type: number, write: () => void): void {
    const at = this.end;
    this.end += 4;
    write();
    this.memory.view.setUint16(at, this.end - at, true);
    this.memory.view.setUint16(at + 2, type | NLA_F_NESTED, true);
  }

  private word(type: number, value: number): void {
    const octets = new Uint8Array(4);
    new DataView(octets.buffer).setUint32(0, value);
    this.octets(type, octets);
  }

  private text(type: number, text: string): void {
    this.octets(type, new TextEncoder().encode(`${text}\0`));
  }

  private octets(type: number, octets: Uint8Array): void {
    const { view, bytes } = this.memory;
    view.setUint16(this.end, 4 + octets.length, true);
    view.setUint16(this.end + 2, type, true);
    bytes.fill(0, this.end + 4, this.end + 4 + align(octets.length));
    bytes.set(octets, this.end + 4);
    this.end += 4 + align(octets.length);
  }

  /** The kernel accepts a batch completely or not at all; its answer is there when the write returns. It acknowledges each message but the first and the last. */
  private send(): void {
    const { address, view } = this.memory;
    if (sys.write(this.fd, address, this.end) < 0) throw new SystemCallError('nfnetlink', errno());
    const unanswered = new Set<number>();
    for (let at = this.firstSequence + 1; at < this.sequence; at++) unanswered.add(at);
    const before = this.exists;
    this.exists = undefined;
    let refusal = 0;
    for (;;) {
      const length = sys.read(this.fd, address, BUFFER);
      if (length < 0 && errno() !== E.EAGAIN) throw new SystemCallError('nfnetlink', errno());
      if (length <= 0) break;
      for (let at = 0; at + HEADERS <= length; at += align(Math.max(HEADERS, view.getUint32(at, true)))) {
        const sequence = view.getUint32(at + 8, true);
        if (view.getUint16(at + 4, true) !== NLMSG_ERROR || sequence < this.firstSequence) continue; // of a change before
        unanswered.delete(sequence);
        if (refusal === 0) refusal = -view.getInt32(at + 16, true);
      }
    }
    if (refusal !== 0) this.exists = before;
    else if (unanswered.size > 0) refusal = E.EAGAIN;
    if (refusal !== 0) throw new SystemCallError('nfnetlink', refusal);
  }
}

/** Whether a descriptor is a socket of this network namespace that may have a table. */
export function isTableSocket(fd: number): boolean {
  return isSocketOf(fd, AF_NETLINK, NETLINK_NETFILTER);
}

/** Values in the machine's order: indexes of interfaces, and the state of a connection. */
function hostOrder(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value, true);
  return octets;
}
