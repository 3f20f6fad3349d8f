import type { TunnelRules } from '../io/ports.ts';
import { countSystemFailure, isShortage } from '../io/system-failures.ts';
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
  private open: (() => TunnelRules) | undefined;
  private own = '';
  private closed = false;

  /** `onWarning`: gets a failure that is tried again and again each time. */
  constructor(inbound: Inbound, onWarning: (message: string) => void) {
    this.inbound = inbound;
    this.onWarning = onWarning;
  }

  /** Throws an EnvironmentError where inbound packets were to be refused and cannot be. */
  begin(open: () => TunnelRules): void {
    try {
      this.openRules(open);
    } catch (error) {
      if (this.inbound === 'refuse') throw error;
      if (isShortage(error)) this.open = open;
      this.warn(error);
    }
  }

  /** The addresses that are the tunnel's from now on. False: the rules are to be set again later. */
  setOwn(addresses: readonly Ipv6[]): boolean {
    if (this.closed) return true;
    const own = addresses.map((address) => formatIpv6(address)).join(' ');
    try {
      if (this.open !== undefined) this.openRules(this.open);
      if (this.rules === undefined || own === this.own) return true;
      this.rules.set(addresses, this.inbound === 'refuse');
      this.own = own;
      return true;
    } catch (error) {
      this.warn(error);
      return false;
    }
  }

  close(): void {
    this.closed = true;
    this.rules?.close();
    this.rules = undefined;
  }

  private openRules(open: () => TunnelRules): void {
    const rules = open();
    try {
      rules.set([], this.inbound === 'refuse');
    } catch (error) {
      rules.close();
      throw error;
    }
    this.rules = rules;
    this.open = undefined;
  }

  private warn(error: unknown): void {
    countSystemFailure(error);
    // The kernel takes all rules or none: those that were set when the tunnel began stay.
    const rest = this.inbound === 'refuse' ? ' (inbound packets stay refused)' : '';
    this.onWarning(
      `packets from the Teredo address may leave by other interfaces${rest}: ${(error as Error).message}`,
    );
  }
}
