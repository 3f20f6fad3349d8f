import { SystemCallError } from '../../linux/errors.ts';
import { hasIpsecPolicies } from '../../linux/ipsec.ts';
import {
  findBaseChain,
  isAtInterface,
  nameOfChain,
  nftablesGeneration,
  plainName,
} from '../../linux/nftables.ts';
import type { BaseChain } from '../../linux/nftables.ts';
import { findXtablesChain } from '../../linux/xtables.ts';

/** Hosts with more are looked at no further. */
const MOST_CHAINS = 10_000;
/** The hooks of `ip` and `inet` that a socket's datagrams pass, and the program's do not. */
const PASSED = new Set(['prerouting', 'input', 'output', 'postrouting']);

/** What is known of a host's rules for IPv4 datagrams. */
export interface HostRules {
  /** A rule that might concern the server's datagrams, in words; undefined where there is none. */
  readonly rule?: string;
  /** What could not be asked for, and why. */
  readonly unknown?: string;
}

/**
 * Whether rules of this host (nftables, iptables, IPsec) could filter or change datagrams that a program at the ingress of an interface
 * answers before they get there. It is not looked at which datagrams a rule is for: it would take the kernel's own code to know.
 */
export class HostFirewall {
  /** Ruleset and interfaces for which `chain` was found. */
  private known = '';
  private chain: string | undefined;

  /** `interfaces`: names of those that the program is at. */
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
        // Too many to be looked at, or no two looks are the same: there are rules.
        if (error instanceof SystemCallError && (error.code === 'E2BIG' || error.code === 'EAGAIN'))
          return { rule: `${name} has rules that cannot be looked through (${reason})` };
        unknown.push(`${name} (${reason})`);
      }
    }
    return unknown.length === 0
      ? {}
      : { unknown: `this host's rules cannot be asked for: ${unknown.join(', ')}` };
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
  if (rules === 0 && accepts) return false;
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
