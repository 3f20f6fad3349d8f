import { SystemCallError } from '../linux/errors.ts';
import { findBaseChain, nameOfChain, nftablesGeneration } from '../linux/nftables.ts';

/** On a host with more chains the rest is not looked at. */
const MOST_CHAINS = 10_000;
/** The most chains that are named. */
const SHOWN = 5;

/** Firewall rules of this host that may drop IPv6 packets of the tunnel. */
export interface Ipv6Firewall {
  /** Descriptions of the nftables chains that packets from or to this host pass, if they have rules or the policy drop. */
  readonly chains: readonly string[];
  /** The error if the rules could not be read, such as EPERM without CAP_NET_ADMIN. */
  readonly unreadable?: string;
}

/**
 * Reads the base chains of the families ip6 and inet at the hooks input and output, including those of ip6tables on nftables. It does not
 * look at the packets that their rules match.
 */
export function ipv6FirewallHere(): Ipv6Firewall {
  const chains: string[] = [];
  try {
    if (nftablesGeneration() === undefined) return { chains };
    findBaseChain((chain) => {
      const { family, hook, table, rules, accepts } = chain;
      const concerns = (family === 'ip6' || family === 'inet') && (hook === 'input' || hook === 'output');
      // Tables of daemons do not drop packets of the tunnel.
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
