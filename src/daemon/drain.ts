import type { Relay } from '../runtime/relay.ts';
import { say } from './log.ts';
import type { RunningRole } from './run-role.ts';

/** The way of a relay to its end without a lost packet: routers send to another relay first. */
export class Drain {
  private readonly relay: Relay;
  private readonly seconds: number;
  private readonly running: RunningRole;

  /** `seconds`: from the withdrawal to the end, at a signal; 0: it ends at once. */
  constructor(relay: Relay, seconds: number, running: RunningRole) {
    this.relay = relay;
    this.seconds = seconds;
    this.running = running;
  }

  /** Withdraws the announcement; the relay carries packets as before. */
  async withdraw(): Promise<void> {
    await this.relay.withdraw();
    say('draining', 'draining: 2001::/32 is withdrawn, packets are still carried');
    this.running.changed();
  }

  /** Resolves when the relay may end. */
  async beforeEnd(): Promise<void> {
    if (this.seconds === 0) return;
    await this.withdraw();
    await new Promise((resolve) => setTimeout(resolve, 1_000 * this.seconds));
  }
}
