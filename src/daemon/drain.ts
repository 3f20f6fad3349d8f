import { within } from '../io/deadline.ts';
import { notifySystemd } from '../io/systemd.ts';
import type { Relay } from '../runtime/relay.ts';
import { say } from './log.ts';
import type { RunningRole } from './run-role.ts';

/** A withdrawal that takes longer counts as failed. The program `teredo drain` waits 5 s for the answer. */
const WITHDRAWAL_MS = 3_000;
/** The end of a role after its drain takes less. */
const END_MS = 10_000;

/** The way of a relay to its end without a lost packet: routers send to another relay first. */
export class Drain {
  private readonly relay: Relay;
  private readonly seconds: number;

  /** `seconds`: from the withdrawal to the end, at a signal; 0: it ends at once. */
  constructor(relay: Relay, seconds: number, running: RunningRole) {
    this.relay = relay;
    this.seconds = seconds;
    relay.on('withdrawn', () => {
      say('draining', 'draining: 2001::/32 is withdrawn, packets are still carried');
      running.changed();
    });
  }

  /** Withdraws the announcement; the relay carries packets as before. Resolves with false if it is still announced. */
  async withdraw(): Promise<boolean> {
    const isWithdrawn = await within(WITHDRAWAL_MS, this.relay.withdraw(), false);
    if (!isWithdrawn)
      say('warning', '2001::/32 could not be withdrawn, and is still announced: trying again');
    return isWithdrawn;
  }

  /** Resolves when the relay may end. */
  async beforeEnd(): Promise<void> {
    if (this.seconds === 0) return;
    // systemd kills a service 90 s after its signal, unless its unit or the service says otherwise.
    const ms = WITHDRAWAL_MS + 1_000 * this.seconds + END_MS;
    notifySystemd(`EXTEND_TIMEOUT_USEC=${Math.ceil(1_000 * ms)}`);
    await this.withdraw();
    await new Promise((resolve) => setTimeout(resolve, 1_000 * this.seconds));
  }
}
