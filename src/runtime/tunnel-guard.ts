import type { TunnelRules } from '../io/ports.ts';
import { formatIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';

/** Whether strangers may begin to talk to this host through the tunnel. */
export type Inbound = 'accept' | 'refuse';

/**
 * Keeps packets from the client's own addresses to its tunnel and, if wished, unsolicited ones out. Without the rules a client that refuses
 * does not begin; another does, with a warning.
 */
export class TunnelGuard {
  private readonly inbound: Inbound;
  private readonly onWarning: (message: string) => void;
  private rules: TunnelRules | undefined;
  private own = '';

  constructor(inbound: Inbound, onWarning: (message: string) => void) {
    this.inbound = inbound;
    this.onWarning = onWarning;
  }

  /** Throws an EnvironmentError where inbound packets were to be refused and cannot be. */
  begin(open: () => TunnelRules): void {
    try {
      this.rules = open();
      this.rules.set([], this.inbound === 'refuse');
    } catch (error) {
      this.close();
      if (this.inbound === 'refuse') throw error;
      this.warn(error);
    }
  }

  /** The addresses that are the tunnel's from now on. */
  setOwn(addresses: readonly Ipv6[]): void {
    const own = addresses.map(formatIpv6).join(' ');
    if (this.rules === undefined || own === this.own) return;
    try {
      this.rules.set(addresses, this.inbound === 'refuse');
      this.own = own;
    } catch (error) {
      this.warn(error);
    }
  }

  close(): void {
    this.rules?.close();
    this.rules = undefined;
  }

  private warn(error: unknown): void {
    this.onWarning(
      `packets from the Teredo address may leave by other interfaces: ${(error as Error).message}`,
    );
  }
}
