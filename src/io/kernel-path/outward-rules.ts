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

/** The most chains at interfaces that are read. A host with more counts as one with rules for leaving packets. */
const MOST_CHAINS = 10_000;

/**
 * Rules of this host that apply to the leaving datagrams of a socket, but not to those of a program, and that no sample detects. nftables
 * chains of the hook egress: the socket gets no error for datagrams that they drop. IPsec policies: a peer may answer a packet that should
 * have been encrypted.
 */
export class OutwardRules {
  private generation: number | undefined;
  private egress: readonly BaseChain[] = [];
  private areTooMany = false;
  private hasPolicies = false;
  private readonly notKnown: string[] = [];

  /** Reads the kernel's rules as they are now; true if they may have changed. Rules that cannot be read stay as they were. */
  look(): boolean {
    const { egress, areTooMany, hasPolicies } = this;
    this.notKnown.length = 0;
    this.orElse('nftables', () => this.lookAtNftables(), undefined);
    this.hasPolicies = this.orElse('IPsec', hasIpsecPolicies, hasPolicies);
    return egress !== this.egress || areTooMany !== this.areTooMany || hasPolicies !== this.hasPolicies;
  }

  /** Description of the rules that could not be read last time, and why. */
  get unknown(): string | undefined {
    if (this.notKnown.length === 0) return undefined;
    return `this host's rules cannot be read: ${this.notKnown.join(', ')}`;
  }

  /** Description of the rule because of which a program may not send by an interface. */
  against(interfaceName: string): string | undefined {
    if (this.areTooMany) return `nftables has more than ${MOST_CHAINS} chains at interfaces`;
    const chain = this.egress.find((one) => isAtInterface(one, interfaceName));
    if (chain !== undefined) return `nftables has ${nameOfChain(chain)} for packets that leave there`;
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
