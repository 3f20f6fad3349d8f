import type { SocketId } from '../../socket-id.ts';
import { acceptAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext } from '../context.ts';
import { Solicitation } from '../ask/solicitation.ts';

/** RFC 6081 section 5.5.4.1.1: the first test is given one second, the second two; then it is done without. */
const FAILOVER_MS = [1_000, 2_000];

export interface EchoOutcome {
  /** Between the two questions to the server, from the same socket. */
  sendBubble(peer: number, socket: SocketId, now: number): void;
  /** What the NAT should have given that bubble; undefined where it could not be found out. */
  predicted(peer: number, port: number | undefined, now: number): void;
}

interface EchoTest {
  readonly socket: SocketId;
  attempts: number;
  failoverAt: number;
  lower: Solicitation;
  upper: Solicitation;
  lowerPort: number;
  upperPort: number;
}

/**
 * Echo Tests (RFC 6081 section 5.5): from a new socket a solicitation to the server, a bubble to the peer, and a solicitation to the
 * server's other address. A NAT that counts its ports up has given the bubble the port between those that the server saw.
 */
export class EchoTests {
  private readonly context: ClientContext;
  private readonly outcome: EchoOutcome;
  private readonly tests = new Map<number, EchoTest>();

  constructor(context: ClientContext, outcome: EchoOutcome) {
    this.context = context;
    this.outcome = outcome;
  }

  isUnderway(peer: number): boolean {
    return this.tests.has(peer);
  }

  /** An advertisement on a peer's socket; it says nothing of the service port's mapping. E-84, E-89 */
  handleAdvertisement(peer: number, received: ReceivedAdvertisement): void {
    const test = this.tests.get(peer);
    const pending = test === undefined ? [] : [test.lower, test.upper];
    const accepted = acceptAdvertisement(this.context, pending, received);
    if (test === undefined || accepted === undefined) return;
    const { port } = accepted.answer.origin;
    if (accepted.solicitation === test.lower) test.lowerPort ||= port;
    else test.upperPort ||= port;
    if (test.lowerPort === 0 || test.upperPort === 0) return;
    this.tests.delete(peer);
    this.outcome.predicted(peer, between(test.lowerPort, test.upperPort), received.now);
  }

  handleTimeout(now: number): void {
    for (const [peer, test] of this.tests) {
      if (now < test.failoverAt) continue;
      if (test.attempts < FAILOVER_MS.length) {
        this.send(peer, test, now); // E-83
      } else {
        this.tests.delete(peer);
        this.outcome.predicted(peer, undefined, now);
      }
    }
  }

  /** E-81. The server has two addresses, or it would not be known that the NAT is symmetric. */
  begin(peer: number, socket: SocketId, now: number): void {
    const test = { socket, attempts: 0, failoverAt: 0, lowerPort: 0, upperPort: 0 } as EchoTest;
    this.tests.set(peer, test);
    this.send(peer, test, now);
  }

  cancel(peer: number): void {
    this.tests.delete(peer);
  }

  /** Nobody answers any more. */
  clear(): void {
    this.tests.clear();
  }

  pollTimeout(): number {
    let at = Infinity;
    for (const { failoverAt } of this.tests.values()) at = Math.min(at, failoverAt);
    return at;
  }

  private send(peer: number, test: EchoTest, now: number): void {
    const { context } = this;
    const { primary, secondary } = context.server!;
    test.failoverAt = now + FAILOVER_MS[test.attempts++]!;
    test.lower = this.solicit(test.socket, primary, now);
    this.outcome.sendBubble(peer, test.socket, now);
    test.upper = this.solicit(test.socket, secondary ?? primary, now);
  }

  private solicit(socket: SocketId, target: number, now: number): Solicitation {
    return new Solicitation(this.context, socket, this.context.qualified!.server, target, false, now);
  }
}

/** The port in the middle; of a counter that has begun anew in between, the one before the lower. E-85 */
function between(lower: number, upper: number): number {
  const isWrapped = Math.abs(upper - lower) > 0x7fff;
  return isWrapped ? Math.min(lower, upper) - 1 : Math.floor((lower + upper) / 2);
}
