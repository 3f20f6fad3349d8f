import { formatIpv4Prefix, inIpv4Prefix, ipv4Mask } from '../wire/index.ts';
import type { Ipv4, Ipv4Prefix } from '../wire/index.ts';

/** Most prefixes of a list: the size of the kernel's table (bpf/server.h). */
export const MAX_ACCESS_PREFIXES = 1_024;

/** An {@link AccessList} as its operator writes it. */
export interface AccessRules {
  readonly allow?: readonly Ipv4Prefix[];
  readonly deny?: readonly Ipv4Prefix[];
}

/**
 * The IPv4 addresses that a server or relay serves. The longest prefix that matches an address decides. An address without a matching
 * prefix is allowed if every allowed prefix is an exception within a denied one; otherwise only allowed prefixes are served.
 */
export class AccessList {
  /** Each prefix once, in the order given. */
  readonly allow: readonly Ipv4Prefix[];
  readonly deny: readonly Ipv4Prefix[];
  /** The verdict for addresses that no prefix matches. */
  readonly allowsOthers: boolean;
  /** The verdict for 0.0.0.0; and the addresses, ascending, at which the verdict changes to its opposite. */
  private readonly allowsFirst: boolean;
  private readonly changes: Uint32Array;

  /**
   * Throws a RangeError with a message for the operator: a prefix that is not valid, or has bits set past its length; a prefix that is both
   * allowed and denied; more than {@link MAX_ACCESS_PREFIXES} prefixes.
   */
  constructor({ allow = [], deny = [] }: AccessRules = {}) {
    this.allow = distinct(allow);
    this.deny = distinct(deny);
    const both = this.allow.find((prefix) => this.deny.some((other) => isSame(prefix, other)));
    if (both !== undefined) throw new RangeError(`${formatIpv4Prefix(both)} is both allowed and denied`);
    const count = this.allow.length + this.deny.length;
    if (count > MAX_ACCESS_PREFIXES)
      throw new RangeError(`${count} prefixes are more than ${MAX_ACCESS_PREFIXES}`);
    const isException = (prefix: Ipv4Prefix): boolean =>
      this.deny.some((other) => other.length < prefix.length && inIpv4Prefix(prefix.address, other));
    this.allowsOthers = this.allow.every(isException);
    const verdicts = this.verdicts();
    this.allowsFirst = verdicts[0]!.allowed;
    const changes = verdicts.filter(({ allowed }, i) => i > 0 && allowed !== verdicts[i - 1]!.allowed);
    this.changes = Uint32Array.from(changes, ({ from }) => from);
  }

  /** Whether all addresses are served. */
  get isOpen(): boolean {
    return this.changes.length === 0 && this.allowsFirst;
  }

  /** How many prefixes there are. */
  get size(): number {
    return this.allow.length + this.deny.length;
  }

  allows(address: Ipv4): boolean {
    const { changes, allowsFirst } = this;
    if (changes.length === 0) return allowsFirst;
    // Binary search for the number of changes up to this address: those before `low` are, those from `high` on are not.
    let low = 0;
    let high = changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (changes[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    return allowsFirst === ((low & 1) === 0);
  }

  /** The verdict for 0.0.0.0, for each address at which a prefix begins, and for each address after the end of one, ascending. */
  private verdicts(): { readonly from: Ipv4; readonly allowed: boolean }[] {
    const rules = [
      ...this.allow.map((prefix) => ({ prefix, allowed: true })),
      ...this.deny.map((prefix) => ({ prefix, allowed: false })),
    ].sort((a, b) => b.prefix.length - a.prefix.length);
    const edges = rules.flatMap(({ prefix: { address, length } }) => [address, address + 2 ** (32 - length)]);
    return [...new Set([0, ...edges])]
      .filter((from) => from < 2 ** 32)
      .sort((a, b) => a - b)
      .map((from) => ({
        from,
        allowed: rules.find(({ prefix }) => inIpv4Prefix(from, prefix))?.allowed ?? this.allowsOthers,
      }));
  }
}

/** All addresses are served. */
export const OPEN_ACCESS = new AccessList();

function distinct(prefixes: readonly Ipv4Prefix[]): Ipv4Prefix[] {
  for (const prefix of prefixes) checkPrefix(prefix);
  return [...new Map(prefixes.map((prefix) => [formatIpv4Prefix(prefix), prefix])).values()];
}

function checkPrefix(prefix: Ipv4Prefix): void {
  const { address, length } = prefix;
  const isPrefix =
    Number.isInteger(length) && length >= 0 && length <= 32 && Number.isInteger(address) && address >= 0;
  if (!isPrefix || address >= 2 ** 32) throw new RangeError(`${address}/${length} is not an IPv4 prefix`);
  if ((address & ipv4Mask(length)) >>> 0 !== address)
    throw new RangeError(`${formatIpv4Prefix(prefix)} has bits set behind its length`);
}

function isSame(a: Ipv4Prefix, b: Ipv4Prefix): boolean {
  return a.address === b.address && a.length === b.length;
}
