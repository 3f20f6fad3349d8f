import { SystemCallError } from '../linux/errors.ts';
import { hasIpsecPolicies } from '../linux/ipsec.ts';
import { findBaseChain, isAtInterface, nameOfChain, nftablesGeneration } from '../linux/nftables.ts';
import type { BaseChain } from '../linux/nftables.ts';

/** Hosts with more are looked at no further. */
const MOST_CHAINS = 10_000;

/**
 * Rules of this host that a socket's datagrams obey on their way out, and that neither a packet which a program sends there obeys nor a
 * sample could show: nftables chains of the hook egress (the socket hears nothing of what they drop), and IPsec policies (a peer may
 * answer what goes out in clear text).
 */
export class OutwardRules {
  private generation: number | undefined;
  private egress: readonly BaseChain[] = [];
  private hasPolicies = false;

  /**
   * Asks the kernel for the rules as they are now; true where they may be others than those known before. Those that
   * cannot be asked for count as they were.
   */
  look(): boolean {
    const [chains, policies] = [this.egress, this.hasPolicies];
    orElse(() => this.lookAtNftables(), undefined);
    this.hasPolicies = orElse(hasIpsecPolicies, policies);
    return chains !== this.egress || policies !== this.hasPolicies;
  }

  /** Why a program may send nothing by an interface, in words. */
  against(interfaceName: string): string | undefined {
    const chain = this.egress.find((one) => isAtInterface(one, interfaceName));
    if (chain !== undefined) return `nftables has ${nameOfChain(chain)} for what leaves there`;
    return this.hasPolicies ? 'IPsec has policies' : undefined;
  }

  private lookAtNftables(): void {
    const generation = nftablesGeneration();
    if (generation === this.generation) return;
    this.generation = generation;
    const egress: BaseChain[] = [];
    findBaseChain((chain) => {
      if (chain.hook === 'egress' && (chain.rules > 0 || !chain.accepts)) egress.push(chain);
      return false;
    }, MOST_CHAINS);
    if (egress.length > 0 || this.egress.length > 0) this.egress = egress;
  }
}

function orElse<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof SystemCallError) return otherwise;
    throw error;
  }
}
