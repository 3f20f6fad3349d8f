import { SystemCallError } from '../../linux/errors.ts';
import { hasIpsecPolicies } from '../../linux/ipsec.ts';
import {
  findBaseChain,
  isAtInterface,
  isConnectionLimit,
  nameOfChain,
  nftablesGeneration,
  plainName,
} from '../../linux/nftables.ts';
import type { BaseChain } from '../../linux/nftables.ts';
import { findXtablesChain } from '../../linux/xtables.ts';

/** On a host with more chains the rest is not looked at. */
const MOST_CHAINS = 10_000;
/** The hooks of `ip` and `inet` that a socket's datagrams pass, and the program's datagrams do not. */
const PASSED = new Set(['prerouting', 'input', 'output', 'postrouting']);

/** The host's rules for IPv4 datagrams, as far as they are known. */
export interface HostRules {
  /** Description of a rule that may match the server's datagrams; undefined if there is none. */
  readonly rule?: string;
  /** The rules that could not be read, and why. */
  readonly unknown?: string;
}

/**
 * Finds out whether rules of this host (nftables, iptables, IPsec) may drop or change datagrams that a program at an interface's ingress
 * would answer before those rules apply. It does not look at which datagrams a rule matches: only the kernel's own code knows that.
 */
export class HostFirewall {
  /** The ruleset and the interfaces to which `chain` belongs. */
  private known = '';
  private chain: string | undefined;

  /** `interfaces`: names of those at which the program is attached. */
  look(interfaces: readonly string[]): HostRules {
    const unknown: string[] = [];
    for (const [name, find] of [
      ['nftables', () => this.nftables(interfaces)],
      ['iptables', iptables],
      ['IPsec', ipsec],
    ] as const) {
      try {
        const rule = find();
        if (rule !== undefined) return { rule };
      } catch (error) {
        const reason = reasonOf(error as Error);
        // There are rules: too many to read, or changing too fast for a consistent reading.
        if (error instanceof SystemCallError && (error.code === 'E2BIG' || error.code === 'EAGAIN'))
          return { rule: `${name} has rules that cannot be read (${reason})` };
        unknown.push(`${name} (${reason})`);
      }
    }
    return unknown.length === 0 ? {} : { unknown: `this host's rules cannot be read: ${unknown.join(', ')}` };
  }

  private nftables(interfaces: readonly string[]): string | undefined {
    const generation = nftablesGeneration();
    if (generation === undefined) return undefined;
    const now = JSON.stringify([generation, interfaces]);
    if (now === this.known) return this.chain;
    this.known = '';
    const chain = findBaseChain((chain) => concerns(chain, interfaces), MOST_CHAINS);
    this.chain = chain && `nftables has ${chain.rules > 0 ? 'rules' : 'a policy'} in ${nameOfChain(chain)}`;
    this.known = now;
    return this.chain;
  }
}

function concerns(chain: BaseChain, interfaces: readonly string[]): boolean {
  const { family, hook, rules, accepts } = chain;
  if ((rules === 0 && accepts) || isConnectionLimit(chain)) return false;
  if (hook === 'ingress') return interfaces.some((name) => isAtInterface(chain, name));
  return (family === 'ip' || family === 'inet') && PASSED.has(hook);
}

function iptables(): string | undefined {
  const chain = findXtablesChain();
  return chain && `iptables has rules or a policy in chain ${chain.chain} of table ${plainName(chain.table)}`;
}

function ipsec(): string | undefined {
  return hasIpsecPolicies() ? 'IPsec has policies' : undefined;
}

function reasonOf(error: Error): string {
  return error instanceof SystemCallError
    ? error.code
    : ((error as NodeJS.ErrnoException).code ?? error.message);
}
