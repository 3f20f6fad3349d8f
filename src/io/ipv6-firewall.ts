import { SystemCallError } from '../linux/errors.ts';
import { findBaseChain, nameOfChain, nftablesGeneration } from '../linux/nftables.ts';

/** Hosts with more are looked at no further. */
const MOST_CHAINS = 10_000;
/** Chains that are named. */
const SHOWN = 5;

/** Rules of this host that may keep IPv6 packets from the tunnel. */
export interface Ipv6Firewall {
  /** Chains of nftables, in words, that packets from or to this host pass, and that have rules or the policy drop. */
  readonly chains: readonly string[];
  /** The error where the rules could not be read, such as EPERM without CAP_NET_ADMIN. */
  readonly unreadable?: string;
}

/**
 * The base chains of the families ip6 and inet at the hooks input and output, those of ip6tables on nftables among them. Which packets
 * their rules are for is not looked at.
 */
export function ipv6FirewallHere(): Ipv6Firewall {
  const chains: string[] = [];
  try {
    if (nftablesGeneration() === undefined) return { chains };
    findBaseChain((chain) => {
      const { family, hook, table, rules, accepts } = chain;
      const concerns = (family === 'ip6' || family === 'inet') && (hook === 'input' || hook === 'output');
      // A client's own table is not in its way.
      const isOwn = family === 'ip6' && table.startsWith('teredo-');
      if (concerns && !isOwn && (rules > 0 || !accepts))
        chains.push(`${nameOfChain(chain)} (${accepts ? 'rules' : 'policy drop'})`);
      return chains.length >= SHOWN;
    }, MOST_CHAINS);
    return { chains };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return { chains, unreadable: error.code };
  }
}
