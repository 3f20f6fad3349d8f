import {
  REFRESH_SHARE_HIGH,
  REFRESH_SHARE_LOW,
  SILENCE_MS,
  SOLICITATION_INTERVAL_MS,
} from '../../constants.ts';
import { randomBetween } from '../../entropy.ts';
import { acceptAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { Solicitation } from '../ask/solicitation.ts';
import type { Answer } from '../status.ts';

/** The same for a connectivity test for queued packets. Shorter, because the test goes through the server, which may be the silent part. */
const TEST_SILENCE_MS = 1_000;
/** Least time between two questions to the server because of silence. With {@link SILENCE_MS} a lost mapping is noticed within 3 s. */
const PROBE_SPACING_MS = 3_000;

/**
 * After the last traffic the mapping is looked at soon, because it may have ended with the mapping: perhaps our NAT was restarted. And again after as
 * long a time as the silence had lasted then, but not sooner than after 8 s: at 2, 8, 16 and 32 s. After that the refresh interval is enough.
 * If this client has sent the last packet, the first time is {@link SILENCE_MS}: the answer may still come.
 */
const [WATCH_FIRST_MS, WATCH_SECOND_MS] = [2_000, 8_000];
const WATCH_MS = 60_000;

/** Between solicitations to a server that another one can replace: T is long for users that wait. */
const SHORT_INTERVAL_MS = 2_000;

export interface MaintenanceOutcome {
  /** The server has answered. */
  refreshed(answer: Answer, now: number): void;
  /** The server has not answered three solicitations. CL-84 */
  lost(now: number): void;
}

/** Keeps the mapping alive and watches over it. RFC 4380 section 5.2.5. CL-80 */
export class Maintenance {
  private readonly context: ClientContext;
  private readonly outcome: MaintenanceOutcome;
  private active = false;
  private solicitation: Solicitation | undefined = undefined;
  /** The randomized refresh interval. CL-81 */
  private randomizedIntervalMs = Infinity;
  private probedAt = -Infinity;

  constructor(context: ClientContext, outcome: MaintenanceOutcome) {
    this.context = context;
    this.outcome = outcome;
  }

  get underway(): boolean {
    return this.solicitation !== undefined;
  }

  handleAdvertisement(received: ReceivedAdvertisement): void {
    const { solicitation } = this;
    const accepted = acceptAdvertisement(
      this.context,
      solicitation === undefined ? [] : [solicitation],
      received,
    );
    if (accepted === undefined) return; // CL-82
    this.begin();
    this.outcome.refreshed(accepted.answer, received.now);
  }

  handleTimeout(now: number): void {
    if (this.solicitation !== undefined) {
      if (this.solicitation.handleTimeout(now) === 'failed') {
        this.stop();
        this.outcome.lost(now);
      }
    } else if (now >= this.pollTimeout()) {
      if (now < this.refreshAt) {
        this.probedAt = now;
        this.context.counters.silenceProbes++; // CL-85
      }
      this.context.silence.reset();
      this.solicit(now);
    }
  }

  /** The client has qualified, or a refresh is done. */
  begin(): void {
    this.active = true;
    this.solicitation = undefined;
    const { refreshIntervalMs, entropy } = this.context;
    this.randomizedIntervalMs = randomBetween(
      entropy,
      refreshIntervalMs * REFRESH_SHARE_LOW,
      refreshIntervalMs * REFRESH_SHARE_HIGH,
    );
  }

  stop(): void {
    this.active = false;
    this.solicitation = undefined;
    this.probedAt = -Infinity;
  }

  pollTimeout(): number {
    if (this.solicitation !== undefined) return this.solicitation.dueAt;
    if (!this.active) return Infinity;
    const { since, testingSince } = this.context.silence;
    const silentAt = Math.min(since + SILENCE_MS, testingSince + TEST_SILENCE_MS);
    const probeAt = Math.max(silentAt, this.probedAt + PROBE_SPACING_MS);
    return Math.min(this.refreshAt, probeAt, this.watchAt);
  }

  /** CL-85 */
  private get watchAt(): number {
    const { lastServerContact } = this.context;
    const { lastTraffic, isLastReceived } = this.context.silence;
    const silence = lastServerContact - lastTraffic;
    const first = isLastReceived ? WATCH_FIRST_MS : SILENCE_MS;
    if (silence < first)
      return Math.max(lastTraffic + first, lastServerContact + first, this.probedAt + PROBE_SPACING_MS);
    const at = lastServerContact + Math.max(WATCH_SECOND_MS - silence, silence);
    return at < lastTraffic + WATCH_MS ? at : Infinity;
  }

  private get refreshAt(): number {
    return this.context.lastServerContact + this.randomizedIntervalMs;
  }

  private solicit(now: number): void {
    const { servers, qualified } = this.context;
    const { server, cone } = qualified!;
    const target = servers[server].primary;
    const intervalMs = servers.length > 1 ? SHORT_INTERVAL_MS : SOLICITATION_INTERVAL_MS;
    this.solicitation = new Solicitation(
      this.context,
      { socket: SOCKET.service, server, target, cone, intervalMs },
      now,
    );
  }
}
