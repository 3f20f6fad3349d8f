import { NLM_F, hostOrder } from './nft-batch.ts';
import type { FAMILY, NftBatch } from './nft-batch.ts';

/** Names and numbers as in linux/netfilter/nf_tables.h. */
const REGISTER = 1;
const VERDICT = { drop: 0, accept: 1 } as const;
const COMPARISON = { is: 0, 'is not': 1 } as const;
const META = { in: 4, out: 5, user: 10, protocol: 16 } as const;
const HOOK = { prerouting: 0, input: 1, output: 3, postrouting: 4 } as const;
/** The priority of a table's chain, before or after the others of its hook: `filter`, after conntrack. */
const PRIORITY_FILTER = 0;
const HEADER = { network: 1, transport: 2 } as const;
/** Places of the addresses in a header of IP. */
const PLACE = { ip: { source: 12, destination: 16 }, ip6: { source: 8, destination: 24 } } as const;
const NF_CT_STATE = { established: 1 << 1, related: 1 << 2 } as const;
const IPPROTO_TCP = 6;
/** Places of the port and the flags in a header of TCP; flags: SYN, and SYN and ACK. */
const [PORT, FLAGS, SYN, SYN_OR_ACK] = [2, 13, 0x02, 0x12];
/** Of a set that packets fill: NFT_SET_TIMEOUT, NFT_SET_EVAL. */
const FILLED = 0x10 | 0x20;
/** How "nft list" shows the keys in a set: users, IPv4 addresses, numbers. */
const KEY = { user: 24, address: 7, number: 4 } as const;
const UPDATE = 1;
/** NFT_LIMIT_F_INV: what exceeds the limit matches. */
const EXCEEDS = 1;

/** One condition of a rule. */
export type Condition =
  | { readonly interface: 'in' | 'out'; readonly how: 'is' | 'is not'; readonly index: number }
  | { readonly source: Uint8Array }
  | { readonly destination: Uint8Array }
  /** The user of the socket that sends it. */
  | { readonly user: number }
  | { readonly tcpPort: number }
  | 'begins a connection'
  | 'established or related'
  | MoreOften;

/** Packets of one user, or of one source by the first octets of its address, match where they are more than so many. */
export interface MoreOften {
  readonly per: 'user' | { readonly octets: number };
  readonly perSecond: number;
  readonly burst: number;
  /** So many users or sources are counted; those beyond do not match. */
  readonly most: number;
  readonly forgottenMs: number;
}

export interface OwnRule {
  readonly when: readonly Condition[];
  readonly verdict: 'drop' | 'accept';
}

/** A base chain, named after its hook, that accepts packets that no rule decides. */
export interface OwnChain {
  readonly hook: keyof typeof HOOK;
  readonly rules: readonly OwnRule[];
}

/** Writes the chains of a table. */
export class RuleWriter {
  private readonly batch: NftBatch;
  private readonly table: string;
  private readonly family: keyof typeof FAMILY;
  private sets = 0;

  constructor(batch: NftBatch, table: string, family: keyof typeof FAMILY) {
    this.batch = batch;
    this.table = table;
    this.family = family;
  }

  write(chains: readonly OwnChain[]): void {
    this.sets = 0;
    for (const chain of chains) this.chain(chain);
  }

  private chain({ hook, rules }: OwnChain): void {
    const { batch } = this;
    batch.message('NEWCHAIN', NLM_F.CREATE, () => {
      batch.text(1, this.table);
      batch.text(3, hook);
      batch.nest(4, () => {
        batch.word(1, HOOK[hook]);
        batch.word(2, PRIORITY_FILTER);
      });
      batch.word(5, VERDICT.accept);
      batch.text(7, 'filter');
    });
    for (const rule of rules) this.rule(hook, rule);
  }

  private rule(hook: string, { when, verdict }: OwnRule): void {
    const { batch } = this;
    for (const condition of when)
      if (typeof condition === 'object' && 'per' in condition) this.set(condition);
    batch.message('NEWRULE', NLM_F.CREATE | NLM_F.APPEND, () => {
      batch.text(1, this.table);
      batch.text(2, hook);
      batch.nest(4, () => {
        for (const condition of when) this.condition(condition);
        this.decide(verdict);
      });
    });
  }

  /** The set of the next condition {@link MoreOften}. */
  private set({ per, most, forgottenMs }: MoreOften): void {
    const { batch } = this;
    const number = ++this.sets;
    batch.message('NEWSET', NLM_F.CREATE, () => {
      batch.text(1, this.table);
      batch.text(2, nameOfSet(number));
      batch.word(3, FILLED);
      batch.word(4, keyOf(per));
      batch.word(5, per === 'user' ? 4 : per.octets);
      batch.nest(9, () => batch.word(1, most));
      batch.word(10, number);
      batch.longWord(11, forgottenMs);
    });
  }

  private condition(condition: Condition): void {
    if (condition === 'established or related') this.isOfKnownFlow();
    else if (condition === 'begins a connection') this.beginsConnection();
    else if ('source' in condition) this.hasAddress('source', condition.source);
    else if ('destination' in condition) this.hasAddress('destination', condition.destination);
    else if ('tcpPort' in condition) this.goesTo(condition.tcpPort);
    else if ('user' in condition) {
      this.meta('user');
      this.compare('is', hostOrder(condition.user));
    } else if ('per' in condition) this.isMoreOften(condition);
    else {
      this.meta(condition.interface);
      this.compare(condition.how, hostOrder(condition.index));
    }
  }

  private isOfKnownFlow(): void {
    const { batch } = this;
    batch.expression('ct', () => {
      batch.word(1, REGISTER);
      batch.word(2, 0); // NFT_CT_STATE
    });
    this.mask(hostOrder(NF_CT_STATE.established | NF_CT_STATE.related));
    this.compare('is not', hostOrder(0));
  }

  private beginsConnection(): void {
    this.payload('transport', FLAGS, 1);
    this.mask(Uint8Array.of(SYN_OR_ACK));
    this.compare('is', Uint8Array.of(SYN));
  }

  private hasAddress(which: 'source' | 'destination', address: Uint8Array): void {
    this.payload('network', PLACE[this.family][which], address.length);
    this.compare('is', address);
  }

  private goesTo(port: number): void {
    this.meta('protocol');
    this.compare('is', Uint8Array.of(IPPROTO_TCP));
    this.payload('transport', PORT, 2);
    this.compare('is', Uint8Array.of(port >> 8, port & 0xff));
  }

  private isMoreOften({ per, perSecond, burst }: MoreOften): void {
    const { batch } = this;
    if (per === 'user') this.meta('user');
    else this.payload('network', PLACE[this.family].source, per.octets);
    batch.expression('dynset', () => {
      batch.text(1, nameOfSet(this.sets));
      batch.word(2, this.sets);
      batch.word(3, UPDATE);
      batch.word(4, REGISTER);
      batch.nest(7, () =>
        batch.named('limit', () => {
          batch.longWord(1, perSecond);
          batch.longWord(2, 1);
          batch.word(3, burst);
          batch.word(5, EXCEEDS);
        }),
      );
    });
  }

  private meta(which: keyof typeof META): void {
    this.batch.expression('meta', () => {
      this.batch.word(1, REGISTER);
      this.batch.word(2, META[which]);
    });
  }

  private payload(header: keyof typeof HEADER, place: number, length: number): void {
    const { batch } = this;
    batch.expression('payload', () => {
      batch.word(1, REGISTER);
      batch.word(2, HEADER[header]);
      batch.word(3, place);
      batch.word(4, length);
    });
  }

  private mask(octets: Uint8Array): void {
    const { batch } = this;
    batch.expression('bitwise', () => {
      batch.word(1, REGISTER);
      batch.word(2, REGISTER);
      batch.word(3, octets.length);
      batch.nest(4, () => batch.octets(1, octets));
      batch.nest(5, () => batch.octets(1, new Uint8Array(octets.length)));
    });
  }

  private compare(how: keyof typeof COMPARISON, value: Uint8Array): void {
    const { batch } = this;
    batch.expression('cmp', () => {
      batch.word(1, REGISTER);
      batch.word(2, COMPARISON[how]);
      batch.nest(3, () => batch.octets(1, value));
    });
  }

  private decide(verdict: keyof typeof VERDICT): void {
    const { batch } = this;
    batch.expression('counter', () => {});
    batch.expression('immediate', () => {
      batch.word(1, 0); // NFT_REG_VERDICT
      batch.nest(2, () => batch.nest(2, () => batch.word(1, VERDICT[verdict])));
    });
  }
}

function keyOf(per: MoreOften['per']): number {
  if (per === 'user') return KEY.user;
  return per.octets === 4 ? KEY.address : KEY.number;
}

function nameOfSet(number: number): string {
  return `often-${number}`;
}
