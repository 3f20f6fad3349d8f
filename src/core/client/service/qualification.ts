import type { QualificationReason } from '../../events.ts';
import type { SocketId } from '../../machine.ts';
import { acceptAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext, Qualified } from '../context.ts';
import { Solicitation } from '../ask/solicitation.ts';
import type { Answer, ServerResult } from '../status.ts';

/** The most servers that are asked at the same time. */
const MOST_SERVERS = 8;
/** How long a server that has answered waits for a faster one to complete before its secondary address is asked too. */
const HEAD_START_MS = 1_000;

export interface QualificationOutcome {
  qualified(result: Qualified, now: number): void;
  failed(reason: QualificationReason, now: number): void;
}

/** Where a server stands in the procedure of RFC 4380 section 5.2.1. */
interface Candidate {
  readonly server: number;
  readonly secondary: number | undefined;
  stage: 'cone' | 'primary' | 'answered' | 'secondary' | 'failed';
  /** The question that it has to answer. */
  solicitation: Solicitation | undefined;
  /** The answer of the primary address. */
  first: Answer | undefined;
  /** Its two addresses saw different mappings, and how far apart their ports were. */
  symmetric: boolean;
  portStep: number;
}

/**
 * The qualification procedure (RFC 4380 section 5.2.1), for all servers at once: each goes through
 *
 *     [cone bit 1: other address answers -> cone NAT]   only where asked for; skipped by RFC 5991, CL-11
 *     cone bit 0: primary address answers
 *     cone bit 0: secondary address answers -> same mapping: restricted NAT; another: symmetric (E-20: used, if no server says otherwise)
 *
 * and the first to come through is used. The fastest to answer has its secondary address asked at once, the others
 * follow a second apart, should that one have nothing to say.
 */
export class Qualification {
  private readonly context: ClientContext;
  private readonly socket: SocketId;
  private readonly outcome: QualificationOutcome;
  private candidates: Candidate[] = [];
  private nextSecondaryAt = Infinity;
  /** When the NAT counts as symmetric, if no other answer comes. */
  private settleAt = Infinity;
  private startedAt = 0;
  /** With more servers than are asked at the same time: the first one of the next round. */
  private turn = 0;

  constructor(context: ClientContext, socket: SocketId, outcome: QualificationOutcome) {
    this.context = context;
    this.socket = socket;
    this.outcome = outcome;
  }

  get underway(): boolean {
    return this.candidates.length > 0;
  }

  handleAdvertisement(received: ReceivedAdvertisement): void {
    const pending = this.candidates.flatMap(({ solicitation }) => solicitation ?? []);
    const accepted = acceptAdvertisement(this.context, pending, received);
    if (accepted === undefined) return;
    const { solicitation, answer } = accepted;
    const candidate = this.candidates.find((one) => one.solicitation === solicitation)!;
    candidate.solicitation = undefined;
    if (solicitation.cone) this.conclude(candidate, answer, true, true, received.now); // CL-21
    else if (candidate.stage === 'secondary') this.compare(candidate, answer, received.now);
    else this.handlePrimary(candidate, answer, received.now);
  }

  handleTimeout(now: number): void {
    for (const candidate of this.candidates) {
      if (candidate.solicitation?.handleTimeout(now) === 'failed') this.handleSilence(candidate, now);
      if (!this.underway) return;
    }
    if (now >= this.nextSecondaryAt) this.askNextSecondary(now);
    if (now < this.settleAt) return;
    this.settleAt = Infinity;
    const symmetric = this.candidates.find((one) => one.symmetric);
    const isDoubtful = this.candidates.some(({ stage }) => stage === 'answered' || stage === 'secondary');
    if (symmetric !== undefined && !isDoubtful) this.conclude(symmetric, symmetric.first!, false, true, now);
  }

  /** The start action, with the servers at these indices. CL-10 */
  begin(servers: readonly number[], now: number): void {
    const cone = this.context.options.legacyCone === true; // CL-11, U-5
    this.startedAt = now;
    this.nextSecondaryAt = this.settleAt = Infinity;
    this.candidates = this.whoseTurnItIs(servers).map((server) => ({
      server,
      secondary: this.context.servers[server].secondary,
      stage: cone ? 'cone' : 'primary',
      solicitation: this.solicit(server, this.context.servers[server].primary, cone, now),
      first: undefined,
      symmetric: false,
      portStep: 0,
    }));
  }

  cancel(): void {
    this.candidates = [];
    this.nextSecondaryAt = this.settleAt = Infinity;
  }

  pollTimeout(): number {
    let at = Math.min(this.nextSecondaryAt, this.settleAt);
    for (const { solicitation } of this.candidates) at = Math.min(at, solicitation?.dueAt ?? Infinity);
    return at;
  }

  private solicit(server: number, target: number, cone: boolean, now: number): Solicitation {
    return new Solicitation(this.context, { socket: this.socket, server, target, cone }, now);
  }

  private handlePrimary(candidate: Candidate, answer: Answer, now: number): void {
    candidate.first = answer;
    candidate.stage = 'answered';
    const alone = candidate.secondary === undefined || answer.oneAddress;
    if (alone) this.concludeUnverified(candidate, answer, now);
    else if (this.candidates.some(({ stage }) => stage === 'secondary')) this.awaitTurn(now);
    else this.askSecondary(candidate, now); // CL-22
  }

  private awaitTurn(now: number): void {
    this.nextSecondaryAt = Math.min(this.nextSecondaryAt, now + HEAD_START_MS);
  }

  private askNextSecondary(now: number): void {
    this.nextSecondaryAt = Infinity;
    const waiting = this.candidates.filter(({ stage }) => stage === 'answered');
    if (waiting.length > 0) this.askSecondary(waiting[0], now);
    if (waiting.length > 1) this.awaitTurn(now);
  }

  private askSecondary(candidate: Candidate, now: number): void {
    candidate.stage = 'secondary';
    candidate.solicitation = this.solicit(candidate.server, candidate.secondary!, false, now);
  }

  private compare(candidate: Candidate, answer: Answer, now: number): void {
    const first = candidate.first!;
    if (isSameMapping(first, answer)) {
      this.conclude(candidate, first, false, true, now); // CL-24
    } else {
      // CL-23; yet another server may see it otherwise: this one's second address may not be its own.
      candidate.symmetric = true;
      candidate.portStep = (answer.origin.port - first.origin.port) & 0xffff;
      this.drop(candidate, now);
    }
  }

  /** Only one address has answered. Once the NAT looks symmetric, another server must have seen the same. CL-23 */
  private concludeUnverified(candidate: Candidate, answer: Answer, now: number): void {
    const others = this.candidates.filter((one) => one !== candidate);
    const doubtful = others.some(({ symmetric }) => symmetric);
    const confirmed = others.some(({ first }) => first !== undefined && isSameMapping(first, answer));
    if (doubtful && !confirmed) this.drop(candidate, now);
    else this.conclude(candidate, answer, false, false, now);
  }

  /** Three solicitations, no answer. */
  private handleSilence(candidate: Candidate, now: number): void {
    candidate.solicitation = undefined;
    const { stage, first, server } = candidate;
    if (stage === 'cone') {
      candidate.stage = 'primary'; // CL-13
      candidate.solicitation = this.solicit(server, this.context.servers[server].primary, false, now);
    } else if (stage === 'secondary' && this.context.options.requireSecondary === false) {
      this.concludeUnverified(candidate, first!, now);
    } else {
      this.drop(candidate, now);
    }
  }

  /** This server has no more answers: the next one is asked. */
  private drop(candidate: Candidate, now: number): void {
    const wasSecondary = candidate.stage === 'secondary';
    candidate.stage = 'failed';
    if (wasSecondary && this.nextSecondaryAt !== Infinity) this.askNextSecondary(now);
    if (this.candidates.some(({ stage }) => stage === 'answered' || stage === 'secondary')) return;
    const symmetric = this.candidates.find((one) => one.symmetric);
    if (symmetric !== undefined && this.context.options.symmetricNat !== false) this.settle(symmetric, now);
    else if (this.candidates.every(({ stage }) => stage === 'failed')) this.fail(this.reason(), now);
  }

  /** All answers agree: the NAT is symmetric. Servers that are still silent get a short time to answer. E-20 */
  private settle(candidate: Candidate, now: number): void {
    if (this.candidates.every(({ stage }) => stage === 'failed'))
      this.conclude(candidate, candidate.first!, false, true, now);
    else this.settleAt = Math.min(this.settleAt, now + HEAD_START_MS);
  }

  private conclude(
    candidate: Candidate,
    answer: Answer,
    cone: boolean,
    verified: boolean,
    now: number,
  ): void {
    this.cancel();
    this.turn = 0;
    const { server, symmetric, portStep } = candidate;
    this.outcome.qualified(
      { server, mapped: answer.origin, cone, verified, symmetric, portStep, roundTripMs: answer.roundTripMs },
      now,
    );
  }

  private fail(reason: QualificationReason, now: number): void {
    this.cancel();
    this.turn += MOST_SERVERS;
    this.outcome.failed(reason, now);
  }

  /** The servers of this round. After a failed round the next ones are asked. */
  private whoseTurnItIs(servers: readonly number[]): number[] {
    if (servers.length <= MOST_SERVERS) return [...servers];
    return Array.from({ length: MOST_SERVERS }, (_, i) => servers[(this.turn + i) % servers.length]);
  }

  /** The reason that explains most, of all servers. */
  private reason(): QualificationReason {
    if (this.candidates.some(({ symmetric }) => symmetric)) return 'symmetric-nat';
    const logs = this.candidates.map(({ server }) => this.context.logs[server]);
    const reasons = logs.flatMap((log) => refusals(log, this.startedAt));
    if (reasons.includes('wrong-server-address')) return 'answer-from-elsewhere';
    if (this.candidates.some(({ first }) => first !== undefined)) return 'no-answer-secondary';
    if (reasons.includes('mapping-not-global')) return 'mapping-not-global';
    if (reasons.some((reason) => AUTHENTICATION_REASONS.has(reason))) return 'authentication-failed';
    return reasons.length > 0 ? 'invalid-answer' : 'no-answer';
  }
}

const AUTHENTICATION_REASONS: ReadonlySet<string> = new Set([
  'no-authentication',
  'wrong-nonce',
  'wrong-client-identifier',
  'wrong-authentication-value',
]);

function isSameMapping(a: Answer, b: Answer): boolean {
  return a.origin.address === b.origin.address && a.origin.port === b.origin.port;
}

function refusals(log: ServerResult, since: number): string[] {
  return log.invalidAnswers.filter(({ receivedAt }) => receivedAt >= since).map(({ reason }) => reason);
}
