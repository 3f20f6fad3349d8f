import { SystemCallError } from '../../linux/errors.ts';
import { hasIpsecPolicies } from '../../linux/ipsec.ts';
import {
  FAMILY_NETDEV,
  findBaseChain,
  isAtInterface,
  nameOfChain,
  nftablesGeneration,
} from '../../linux/nftables.ts';
import type { BaseChain } from '../../linux/nftables.ts';

/** Chains at interfaces; a host with more is taken for one that has some for what leaves. */
const MOST_CHAINS = 10_000;

/**
 * Rules of this host that a socket's datagrams obey on their way out, but not the packets that a program sends there, and that no sample
 * shows: nftables chains of the hook egress (the socket hears nothing of the datagrams that they drop), and IPsec policies (a peer may answer
 * a packet that should have been encrypted).
 */
export class OutwardRules {
  private generation: number | undefined;
  private egress: readonly BaseChain[] = [];
  private areTooMany = false;
  private hasPolicies = false;
  private readonly notKnown: string[] = [];

  /** Asks the kernel for the rules as they are now; true where they may be others than before. Those that cannot be asked for are as they were. */
  look(): boolean {
    const { egress, areTooMany, hasPolicies } = this;
    this.notKnown.length = 0;
    this.orElse('nftables', () => this.lookAtNftables(), undefined);
    this.hasPolicies = this.orElse('IPsec', hasIpsecPolicies, hasPolicies);
    return egress !== this.egress || areTooMany !== this.areTooMany || hasPolicies !== this.hasPolicies;
  }

  /** What could not be asked for at the last look, and why, in words. */
  get unknown(): string | undefined {
    if (this.notKnown.length === 0) return undefined;
    return `this host's rules cannot be asked for: ${this.notKnown.join(', ')}`;
  }

  /** Why a program may send nothing by an interface, in words. */
  against(interfaceName: string): string | undefined {
    if (this.areTooMany) return `nftables has more than ${MOST_CHAINS} chains at interfaces`;
    const chain = this.egress.find((one) => isAtInterface(one, interfaceName));
    if (chain !== undefined) return `nftables has ${nameOfChain(chain)} for what leaves there`;
    return this.hasPolicies ? 'IPsec has policies' : undefined;
  }

  private lookAtNftables(): void {
    const generation = nftablesGeneration();
    if (generation === this.generation) return;
    const egress: BaseChain[] = [];
    let areTooMany = false;
    try {
      findBaseChain(
        (chain) => {
          if (chain.hook === 'egress' && (chain.rules > 0 || !chain.accepts)) egress.push(chain);
          return false;
        },
        MOST_CHAINS,
        FAMILY_NETDEV,
      );
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== 'E2BIG') throw error;
      areTooMany = true;
    }
    this.generation = generation;
    this.areTooMany = areTooMany;
    if (egress.length > 0 || this.egress.length > 0) this.egress = egress;
  }

  private orElse<T>(name: string, ask: () => T, otherwise: T): T {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.notKnown.push(`${name} (${error.code})`);
      return otherwise;
    }
  }
}
