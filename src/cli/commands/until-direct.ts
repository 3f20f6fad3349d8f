import { formatIpv6, isTeredo } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { ContactStatus } from '../../control/status.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { askAgain, askHere, reading } from './ask-daemon.ts';

/** How often the daemon is asked. */
const LOOK_MS = 100;
/** Where no guess of ports can succeed, wide filters of the NATs may still let packets through: within this time. docs/nat-matrix.md */
const LAST_CHANCE_MS = 1_000;

/** Something that has happened, and how long after the beginning that was seen. */
export interface Step {
  readonly afterMs: number;
  readonly text: string;
}

/** Follows a client while it looks for the way to a peer, and prints each step once. */
export class HolePunching {
  readonly steps: Step[] = [];
  /** How the peer is reached, or was a moment ago, while it is asked once more; undefined: not yet. */
  means: string | undefined;
  private readonly address: Ipv6;
  private readonly say: (line: string) => void;
  private readonly begun = performance.now();
  private readonly reported = new Set<string>();
  private readonly impossibility = new AbortController();
  private clients: readonly string[] = [];
  private last: ContactStatus | undefined;
  private impossibleAt = Infinity;
  private timer: NodeJS.Timeout | undefined;
  private isAsking = false;

  /** `say` gets a line for each step; it begins with the time since the beginning. */
  constructor(address: Ipv6, say: (line: string) => void) {
    this.address = address;
    this.say = say;
  }

  get isDirect(): boolean {
    return this.means !== undefined && this.means !== 'met';
  }

  /** Aborted as soon as no direct way can be expected any more, and the peer is reached via the relay, if there is one. */
  get impossible(): AbortSignal {
    return this.impossibility.signal;
  }

  /** Why there is no direct way, once that is clear. */
  get whyImpossible(): string {
    const { ownPorts, peerPorts } = this.last!;
    const why = `its NAT's ports are ${peerPorts}, ours are ${ownPorts}, and no way leads through both`;
    if (this.means === 'met') return why;
    return `${why}; forward a port to one of the two (--port), or let them use a relay of yours (--meet)`;
  }

  /** A likely cause where nothing answers; empty where none is known. */
  get whySilent(): string {
    if (this.last === undefined || !this.last.qualified || !isTeredo(this.address, 0)) return '';
    if (this.isDirect)
      return 'its client is reached directly, but the host drops pings: a firewall, or its --inbound refuse';
    if (this.last.isHeardThroughServer) return 'it has been heard through the servers only';
    return 'nothing of it has come through the servers: is it running, and its server?';
  }

  /** Rejects where there is no client to look at. */
  async begin(): Promise<void> {
    const found = await askHere<ContactStatus>(this.question);
    if (found.size === 0) throw new CommandFailure(EXIT.NO_DAEMON, 'no teredo client is running here');
    this.clients = [...found.keys()];
    this.see([...found.values()]);
    this.timer = setInterval(() => {
      if (this.isAsking) return;
      this.isAsking = true;
      void this.look().finally(() => (this.isAsking = false));
    }, LOOK_MS);
  }

  end(): void {
    clearInterval(this.timer);
  }

  /** The first answer has come: its line follows the steps that led to it. */
  async noteAnswer(): Promise<void> {
    await this.look();
    this.note('the first answer has come');
  }

  /** A client may have ended meanwhile; the pings tell. */
  async look(): Promise<void> {
    this.see(await askAgain<ContactStatus>(this.clients, this.question));
  }

  private get question() {
    return { command: 'contact', address: formatIpv6(this.address) } as const;
  }

  /** Of several clients the one that knows the peer is the one that the pings go through. */
  private see(all: readonly ContactStatus[]): void {
    const status = all.find(({ state }) => state !== 'unknown') ?? all[0];
    if (status === undefined) return;
    this.last = status;
    if (status.state === 'valid') this.means = status.means;
    const steps = reading('of the client', () => stepsOf(status, isTeredo(this.address, 0)));
    for (const text of steps) this.note(text);
    const now = performance.now();
    const isAtEnd =
      status.guess === 'hopeless' && !this.isDirect && (!status.mayMeet || this.means === 'met');
    this.impossibleAt = isAtEnd ? Math.min(this.impossibleAt, now + LAST_CHANCE_MS) : Infinity;
    if (now >= this.impossibleAt) this.impossibility.abort();
  }

  private note(text: string): void {
    if (this.reported.has(text)) return;
    this.reported.add(text);
    const afterMs = Math.round(performance.now() - this.begun);
    this.steps.push({ afterMs, text });
    this.say(`${String(afterMs).padStart(5)} ms  ${text}`);
  }
}

/** The steps so far, in their order. */
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
    steps.push(`asked it to expect us on port ${status.expectedPort} of our NAT`);
  if (status.isHeardThroughServer)
    steps.push('its bubble has come through the servers: it wants to reach us, too');
  if (status.peerExpectedPort !== undefined)
    steps.push(`it expects to come from port ${status.peerExpectedPort} of its NAT`);
  if (peerPorts !== undefined) steps.push(`its NAT's ports are ${peerPorts}, ours are ${ownPorts}`);
  const isDirect = state === 'valid' && status.means !== 'met';
  if (guess === 'hopeless' && !isDirect) steps.push(`no number of guesses would do: ${lastResort(status)}`);
  if (guess === 'offered') steps.push('offered to guess ports');
  if (guess === 'agreed') steps.push('both want to guess ports: they do so now');
  if (guess === 'agreed' && guessesSent > 0) steps.push(`${hundreds(guessesSent)} guesses sent`);
  if (state === 'valid')
    steps.push(
      status.means === 'met'
        ? `reached via your relay, ${status.mapped}`
        : `reached directly, at ${status.mapped}`,
    );
  return steps;
}

function lastResort({ mayMeet }: ContactStatus): string {
  return mayMeet ? 'asked your relay to pass packets on' : 'there is no relay of yours (--meet)';
}

/** So that not every look is a step of its own. */
function hundreds(count: number): string {
  return count < 100 ? 'the first' : `some ${Math.floor(count / 100) * 100}`;
}
