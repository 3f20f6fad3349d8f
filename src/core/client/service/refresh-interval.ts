import {
  CONTACT_ATTEMPTS,
  CONTACT_TIMEOUT_MS,
  INTERVAL_FIRST_CANDIDATE_MS,
  INTERVAL_MAXIMUM_MS,
} from '../../constants.ts';
import { DESTINATION, SOURCE, equalBytes, isBubble } from '../../../wire/index.ts';
import type { DatagramView, Endpoint, Ipv6 } from '../../../wire/index.ts';
import { acceptAdvertisement, isAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext, Qualified } from '../context.ts';
import { Qualification } from './qualification.ts';
import { SOCKET } from '../options.ts';
import { Solicitation } from '../ask/solicitation.ts';
import { makeClientAddress } from './client-address.ts';

/** The procedure ends when the interval is this share of the shortest one known to be too long. RFC 4380 section 5.2.7 step 5 */
const CLOSE_ENOUGH = 0.75;
/** Wait until the second port is asked for again. */
const SOCKET_AGAIN_MS = 60_000;

/**
 * Finds out how long the NAT keeps a mapping, on a port that nothing else uses (RFC 4380 section 5.2.7):
 *
 *     qualifying -> waiting (candidate) -> probing (up to 4 bubbles, 2 s apart) -> refreshing -> waiting ... concluded
 *
 * The probes go through our own server. CL-100 to CL-106
 */
export class RefreshIntervalDetermination {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly qualification: Qualification;
  private stage: 'idle' | 'qualifying' | 'waiting' | 'probing' | 'refreshing' | 'concluded' = 'idle';
  private secondary: Ipv6 | undefined = undefined;
  private solicitation: Solicitation | undefined = undefined;
  private dueAt = Infinity;
  private probes = 0;
  private maximumMs = INTERVAL_MAXIMUM_MS;
  private candidateMs = INTERVAL_FIRST_CANDIDATE_MS;

  constructor(context: ClientContext, bubbles: Bubbles) {
    this.context = context;
    this.bubbles = bubbles;
    this.qualification = new Qualification(context, SOCKET.refreshProbe, {
      qualified: (result, now) => this.handleQualified(result, now),
      failed: () => this.conclude(), // CL-100: the interval does not change
    });
  }

  /** A datagram on the secondary port. */
  handleDatagram(b: Uint8Array, view: DatagramView, from: Endpoint, now: number): void {
    const { context } = this;
    if (isAdvertisement(b, view.ipv6Start)) {
      this.handleAdvertisement({ buffer: b, view, from, now });
    } else if (
      this.stage === 'probing' &&
      this.isProbe(b, view.ipv6Start) &&
      context.isServer(from.address, from.port)
    ) {
      context.counters.consumedBubbles++;
      this.succeed(now); // CL-102
    } else {
      context.counters.droppedProbePort++; // CL-106
    }
  }

  handleTimeout(now: number): void {
    if (this.stage === 'idle') {
      if (now < this.dueAt) return;
      this.dueAt = Infinity;
      if (this.context.qualified !== undefined) this.begin(now);
      return;
    }
    this.qualification.handleTimeout(now);
    if (this.solicitation?.handleTimeout(now) === 'failed') this.conclude();
    if (now < this.dueAt) return;
    if (this.probes < CONTACT_ATTEMPTS) this.probe(now);
    else this.fail(now);
  }

  /** The service port has qualified. */
  begin(now: number): void {
    const { context } = this;
    if (context.options.refresh !== 'auto' || this.stage !== 'idle') return;
    if (context.qualified!.symmetric) return; // another port shows nothing about the mappings of this one
    this.stage = 'qualifying';
    this.dueAt = Infinity;
    this.maximumMs = INTERVAL_MAXIMUM_MS; // CL-101
    this.candidateMs = INTERVAL_FIRST_CANDIDATE_MS;
    context.commands.event({ type: 'socket-wanted', socket: SOCKET.refreshProbe });
    this.qualification.begin([context.qualified!.server], now);
  }

  /** The second port could not be opened: the machine asks for it again later. */
  socketFailed(now: number): void {
    this.suspend();
    this.dueAt = now + SOCKET_AGAIN_MS;
  }

  /** The service port is no longer qualified. A conclusion remains valid. */
  suspend(): void {
    this.dueAt = Infinity;
    if (this.stage === 'concluded' || this.stage === 'idle') return;
    this.close();
    this.stage = 'idle';
  }

  /** Another network, another NAT. */
  reset(): void {
    this.suspend();
    this.stage = 'idle';
    this.context.refreshIntervalMs = this.context.configuredRefreshIntervalMs;
  }

  pollTimeout(): number {
    return Math.min(this.dueAt, this.qualification.pollTimeout(), this.solicitation?.dueAt ?? Infinity);
  }

  private handleAdvertisement(received: ReceivedAdvertisement): void {
    if (this.stage === 'qualifying') {
      this.qualification.handleAdvertisement(received);
      return;
    }
    const { context, solicitation } = this;
    const accepted = acceptAdvertisement(context, solicitation === undefined ? [] : [solicitation], received);
    if (accepted !== undefined) this.wait(accepted.answer.origin, received.now); // CL-105
  }

  private handleQualified(result: Qualified, now: number): void {
    this.wait(result.mapped, now);
  }

  /** Step 1. */
  private wait(mapped: Endpoint, now: number): void {
    const { context } = this;
    this.solicitation = undefined;
    this.stage = 'waiting';
    this.secondary = makeClientAddress(context, context.server!.primary, mapped, false);
    this.probes = 0;
    this.dueAt = now + this.candidateMs;
  }

  /** Steps 2 and 3. */
  private probe(now: number): void {
    this.stage = 'probing';
    this.probes++;
    this.dueAt = now + CONTACT_TIMEOUT_MS;
    this.bubbles.sendProbe(this.secondary!);
  }

  private isProbe(b: Uint8Array, at: number): boolean {
    return (
      isBubble(b, at) &&
      this.context.isOwn(b, at + SOURCE) &&
      equalBytes(b, at + DESTINATION, this.secondary!, 0, 16)
    );
  }

  /** Step 4. CL-103. Ends too when there is little left to gain. */
  private succeed(now: number): void {
    const intervalMs = this.candidateMs;
    this.context.refreshIntervalMs = intervalMs;
    this.candidateMs = Math.min(2 * intervalMs, (intervalMs + this.maximumMs) / 2);
    if (intervalMs > CLOSE_ENOUGH * this.maximumMs) this.conclude();
    else this.refresh(now);
  }

  /** Step 5. CL-104 */
  private fail(now: number): void {
    const { refreshIntervalMs } = this.context;
    this.maximumMs = this.candidateMs;
    this.candidateMs = (refreshIntervalMs + this.maximumMs) / 2;
    if (refreshIntervalMs >= CLOSE_ENOUGH * this.maximumMs) this.conclude();
    else this.refresh(now);
  }

  /** Step 6. */
  private refresh(now: number): void {
    const { context } = this;
    this.report(false);
    this.stage = 'refreshing';
    this.dueAt = Infinity;
    const { server, cone } = context.qualified!;
    const target = context.servers[server].primary;
    this.solicitation = new Solicitation(context, { socket: SOCKET.refreshProbe, server, target, cone }, now);
  }

  private conclude(): void {
    this.close();
    this.stage = 'concluded';
    this.report(true);
  }

  private report(concluded: boolean): void {
    const milliseconds = this.context.refreshIntervalMs;
    this.context.commands.event({ type: 'refresh-interval', milliseconds, concluded });
  }

  private close(): void {
    this.qualification.cancel();
    this.solicitation = undefined;
    this.dueAt = Infinity;
    this.context.commands.event({ type: 'socket-unwanted', socket: SOCKET.refreshProbe });
  }
}
