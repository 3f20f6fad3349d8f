import { formatIpv6, isTeredo } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { ContactStatus } from '../../daemon/status.ts';
import { networkNamespace } from '../../daemon/network-namespace.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
import { askDaemons } from './ask-daemon.ts';

/** How often the daemon is asked. */
const LOOK_MS = 100;

/** Looks on while a client finds the way to a peer, and tells each step once. */
export class HolePunching {
  private readonly address: Ipv6;
  private readonly say: (step: string) => void;
  private readonly begun = performance.now();
  private readonly told = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private isAsking = false;
  isDirect = false;

  /** `say` gets a line for each step; it begins with the time since the beginning. */
  constructor(address: Ipv6, say: (step: string) => void) {
    this.address = address;
    this.say = say;
  }

  /** Rejects where there is no client to look at. */
  async begin(): Promise<void> {
    this.tell(await this.look());
    this.timer = setInterval(() => {
      if (this.isAsking) return;
      this.isAsking = true;
      this.look()
        .then((status) => this.tell(status))
        .catch(() => {}) // it may have ended; the pings tell
        .finally(() => (this.isAsking = false));
    }, LOOK_MS);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<ContactStatus> {
    const question = { command: 'contact', address: formatIpv6(this.address) } as const;
    const all = await askDaemons<ContactStatus>(undefined, question);
    // Where none runs here, those elsewhere answer; the pings don't go through them.
    const here = networkNamespace();
    const [client, ...others] = all.filter((one) => one.networkNamespace === here);
    if (client === undefined) throw new CommandFailure(EXIT.NO_DAEMON, 'no teredo client is running here');
    // Of several the one that knows the peer is the one that the pings go through.
    return [client, ...others].find(({ state }) => state !== 'unknown') ?? client;
  }

  private tell(status: ContactStatus): void {
    for (const step of stepsOf(status, isTeredo(this.address, 0))) {
      if (this.told.has(step)) continue;
      this.told.add(step);
      this.say(`${(performance.now() - this.begun).toFixed(0).padStart(5)} ms  ${step}`);
    }
    this.isDirect ||= status.state === 'valid' && status.means !== 'met';
  }
}

/** What can be said of how far it has come, in the order in which it happens. */
export function stepsOf(status: ContactStatus, isTeredo: boolean): string[] {
  const { attempts, guess, guessesSent, ownPorts, peerPorts, state } = status;
  const steps: string[] = [];
  if (!status.qualified) return ['this client is not qualified yet'];
  if (!isTeredo) {
    if (attempts > 0) steps.push(`connectivity test ${attempts}, through our server`);
    if (state === 'valid') steps.push(`its relay is at ${status.mapped}`);
    return steps;
  }
  if (attempts > 0) steps.push(`round ${attempts} of bubbles: straight to it, and through its server`);
  if (status.isTesting) steps.push('our NAT is symmetric: an Echo Test finds out which port it gives next');
  if (status.expectedPort !== undefined)
    steps.push(`told it to expect us on port ${status.expectedPort} of our NAT`);
  if (status.isHeardThroughServer) steps.push('its bubble has come through the servers: it wants us too');
  if (status.peerExpectedPort !== undefined)
    steps.push(`it expects to come from port ${status.peerExpectedPort} of its NAT`);
  if (peerPorts !== undefined) steps.push(`its NAT's ports are ${peerPorts}, those of ours ${ownPorts}`);
  if (guess === 'offered') steps.push('offered to guess ports');
  if (guess === 'agreed') steps.push('both want to guess ports: that goes on now');
  if (guess === 'agreed' && guessesSent > 0) steps.push(`${hundreds(guessesSent)} guesses sent`);
  if (state === 'valid')
    steps.push(
      status.means === 'met' ? `met at our relay, ${status.mapped}` : `reached directly, at ${status.mapped}`,
    );
  return steps;
}

/** So that not every look is a step of its own. */
function hundreds(count: number): string {
  return count < 100 ? 'the first' : `some ${Math.floor(count / 100) * 100}`;
}
