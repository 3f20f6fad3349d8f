import type { SocketId } from '../../socket-id.ts';
import { acceptAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext } from '../context.ts';
import { Solicitation } from '../ask/solicitation.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath } from './peer-path.ts';

/** RFC 6081 section 5.5.4.1.1: the first test may take one second, the second two. Then the contact continues without a result. */
const FAILOVER_MS = [1_000, 2_000];

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
 * Example: the server saw ports 1200 and 1202, so the bubble left from 1201.
 */
export class EchoTests {
  private readonly context: ClientContext;
  private readonly bubbles: PeerBubbles;
  private readonly tests = new Map<PeerPath, EchoTest>();

  constructor(context: ClientContext, bubbles: PeerBubbles) {
    this.context = context;
    this.bubbles = bubbles;
  }

  isUnderway(path: PeerPath): boolean {
    return this.tests.has(path);
  }

  /**
   * An advertisement on a peer's socket; it says nothing about the service port's mapping. Returns the external port that the NAT has given to the
   * bubble, once both answers have come. E-84, E-89
   */
  handleAdvertisement(path: PeerPath, received: ReceivedAdvertisement): number | undefined {
    const test = this.tests.get(path);
    const pending = test === undefined ? [] : [test.lower, test.upper];
    const accepted = acceptAdvertisement(this.context, pending, received);
    if (test === undefined || accepted === undefined) return undefined;
    const { port } = accepted.answer.origin;
    if (accepted.solicitation === test.lower) test.lowerPort ||= port;
    else test.upperPort ||= port;
    if (test.lowerPort === 0 || test.upperPort === 0) return undefined;
    this.tests.delete(path);
    return between(test.lowerPort, test.upperPort);
  }

  /** Repeats tests that were not answered in time. Yields the peers of those that have failed, one after the other. E-83 */
  *failed(now: number): Generator<PeerPath> {
    for (const [path, test] of this.tests) {
      if (now < test.failoverAt) continue;
      if (test.attempts < FAILOVER_MS.length) this.send(path, test, now);
      else {
        this.tests.delete(path);
        yield path;
      }
    }
  }

  /** On the peer's own socket. The server has two addresses: otherwise this client would not know that its NAT is symmetric. E-81 */
  begin(path: PeerPath, now: number): void {
    const test = {
      socket: path.ownSocket,
      attempts: 0,
      failoverAt: 0,
      lowerPort: 0,
      upperPort: 0,
    } as EchoTest;
    this.tests.set(path, test);
    this.send(path, test, now);
  }

  cancel(path: PeerPath): void {
    this.tests.delete(path);
  }

  /** No server answers any more. */
  clear(): void {
    this.tests.clear();
  }

  pollTimeout(): number {
    let at = Infinity;
    for (const { failoverAt } of this.tests.values()) at = Math.min(at, failoverAt);
    return at;
  }

  private send(path: PeerPath, test: EchoTest, now: number): void {
    const { context } = this;
    const { primary, secondary } = context.server!;
    test.failoverAt = now + FAILOVER_MS[test.attempts++]!;
    test.lower = this.solicit(test.socket, primary, now);
    this.bubbles.sendTestBubble(path, test.socket, now);
    test.upper = this.solicit(test.socket, secondary ?? primary, now);
  }

  private solicit(socket: SocketId, target: number, now: number): Solicitation {
    return new Solicitation(this.context, { socket, server: this.context.qualified!.server, target }, now);
  }
}

/** The port in the middle. If the counter has restarted in between, the one before the lower. E-85 */
function between(lower: number, upper: number): number {
  const isWrapped = Math.abs(upper - lower) > 0x7fff;
  return isWrapped ? Math.min(lower, upper) - 1 : Math.floor((lower + upper) / 2);
}
