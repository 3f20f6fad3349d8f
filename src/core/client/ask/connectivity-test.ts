import { BUBBLE_HOP_LIMIT, CONTACT_ATTEMPTS, CONTACT_TIMEOUT_MS } from '../../constants.ts';
import { randomBytes } from '../../entropy.ts';
import {
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  TEREDO_PORT,
  buildEchoRequest,
  checkIcmpv6,
  echoData,
  icmpv6Type,
  nextHeader,
  payloadLength,
  readUint16,
  readUint32,
  writeUint32,
} from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';

/** How long after its last repetition a test may be answered. CL-121 */
const TEST_LIFETIME_MS = CONTACT_ATTEMPTS * CONTACT_TIMEOUT_MS;
const NONCE_LENGTH = 8;
/** RFC 4443 sections 2.1, 3 and 4: octets in front of the offending packet, and of the echo data; the lowest type that is no error. */
const [ERROR_HEADER, ECHO_HEADER, FIRST_INFORMATIONAL] = [8, 8, 128];
/** Identifier of our echo requests; the nonce distinguishes tests. */
const IDENTIFIER = 0x5444;

/**
 * The direct IPv6 connectivity test: an echo request through our own server. The reply comes through the relay that serves the peer, and so shows
 * that this relay is the peer's. RFC 4380 section 5.2.9
 */
export class ConnectivityTest {
  private readonly context: ClientContext;

  constructor(context: ClientContext) {
    this.context = context;
  }

  /** Sends the test, or repeats the one under way (A-2: one nonce a series). CL-120 */
  send(peer: number, now: number): void {
    const { peers, counters, commands, address, server } = this.context;
    if (!this.isOpen(peer, now)) this.renew(peer);
    peers.countBubble(peer, now); // CL-121; until the peer is heard
    const data = new Uint8Array(NONCE_LENGTH);
    writeUint32(data, 0, peers.proofHigh[peer]);
    writeUint32(data, 4, peers.proofLow[peer]);
    const request = buildEchoRequest({
      source: address!,
      destination: peers.address(peer),
      hopLimit: BUBBLE_HOP_LIMIT,
      identifier: IDENTIFIER,
      sequence: 1,
      data,
    });
    counters.sentConnectivityTests++;
    commands.transmit(SOCKET.service, request, 0, request.length, server!.primary, TEREDO_PORT);
  }

  /** Whether the packet at an offset answers the test of this peer. CL-46 */
  isAnswer(peer: number, b: Uint8Array, o: number, now: number): boolean {
    if (nextHeader(b, o) !== NEXT_HEADER.ICMPV6 || payloadLength(b, o) < 8 + NONCE_LENGTH) return false;
    if (icmpv6Type(b, o) !== ICMPV6.ECHO_REPLY || b[o + IPV6_HEADER + 1] !== 0) return false;
    const { start, end } = echoData(b, o);
    const { proofHigh, proofLow } = this.context.peers;
    return (
      end - start === NONCE_LENGTH &&
      this.isOpen(peer, now) &&
      readUint32(b, start) === proofHigh[peer] &&
      readUint32(b, start + 4) === proofLow[peer] &&
      checkIcmpv6(b, o)
    );
  }

  /** Whether the packet `b[o, end)` is an ICMPv6 error about a test. Its source is not tested: it may answer that test by an error, too. */
  isError(b: Uint8Array, o: number, end: number): boolean {
    const test = o + IPV6_HEADER + ERROR_HEADER;
    return (
      nextHeader(b, o) === NEXT_HEADER.ICMPV6 &&
      icmpv6Type(b, o) < FIRST_INFORMATIONAL &&
      end - test >= IPV6_HEADER + ECHO_HEADER &&
      this.context.isOwn(b, test + SOURCE) &&
      nextHeader(b, test) === NEXT_HEADER.ICMPV6 &&
      icmpv6Type(b, test) === ICMPV6.ECHO_REQUEST &&
      readUint16(b, test + IPV6_HEADER + 4) === IDENTIFIER
    );
  }

  /** Whether a test of this peer has been sent and may still be answered. */
  isOpen(peer: number, now: number): boolean {
    const { proofHigh, proofLow, lastBubble } = this.context.peers;
    return (proofHigh[peer] !== 0 || proofLow[peer] !== 0) && now - lastBubble.at(peer) < TEST_LIFETIME_MS;
  }

  /** The test has been answered: its nonce is no longer valid. */
  close(peer: number): void {
    const { peers } = this.context;
    peers.proofHigh[peer] = peers.proofLow[peer] = 0;
  }

  /** CL-123 */
  private renew(peer: number): void {
    const { peers, entropy } = this.context;
    const nonce = randomBytes(entropy, NONCE_LENGTH);
    peers.proofHigh[peer] = readUint32(nonce, 0);
    peers.proofLow[peer] = readUint32(nonce, 4);
  }
}
