import type { Arrival } from '../arrival.ts';
import type { CommandRing } from '../commands.ts';
import { TUNNEL_MTU } from '../constants.ts';
import { authenticationValue, verifyAuthentication } from '../secure.ts';
import type { FairBudget } from '../fair-budget.ts';
import type { LimitHits } from '../limit-hits.ts';
import {
  AUTHENTICATION_NONCE_LENGTH,
  CONE_FLAG,
  DESTINATION,
  ICMPV6_CHECKSUM,
  SOURCE,
  authenticationLength,
  buildEchoReply,
  buildRouterAdvertisement,
  checkIcmpv6,
  checkRouterSolicitation,
  copyBytes,
  echoData,
  flagsOf,
  internetChecksum,
  parseAuthentication,
  payloadLength,
  readUint16,
  writeAuthentication,
  writeOrigin,
  writeUint16,
  ORIGIN_LENGTH,
  IPV6_HEADER,
} from '../../wire/index.ts';
import type { Authentication, DatagramView, Ipv4, Ipv6 } from '../../wire/index.ts';
import type { ServerContext } from './context.ts';
import type { ServerCounter } from './counters.ts';
import { MAX_ICMPV6_BYTES, forwardingCost } from './limits.ts';
import type { ClientKey, ServerOptions } from './options.ts';

/** Answers packets to the server itself: router solicitations, and pings of its link-local address. RFC 4380 section 5.3.2 */
export class Solicitation {
  private readonly options: ServerOptions;
  private readonly linkLocal: Ipv6;
  answers: FairBudget;
  private readonly counters: Record<ServerCounter, number>;
  private readonly commands: CommandRing;
  private readonly hits: LimitHits;
  /** The same for all clients, except for destination and checksum. */
  readonly advertisement: Uint8Array;
  /**
   * The latest answer: a command's bytes are valid only until the next input. The advertisement stays at the end, the origin indication
   * before it, and before that the authentication, whose length depends on the solicitation.
   */
  private readonly answered: Uint8Array;
  private readonly ipv6Start: number;

  constructor(
    options: ServerOptions,
    linkLocal: Ipv6,
    answers: FairBudget,
    { counters, commands, hits }: ServerContext,
  ) {
    this.options = options;
    this.linkLocal = linkLocal;
    this.answers = answers;
    this.counters = counters;
    this.commands = commands;
    this.hits = hits;
    this.advertisement = buildRouterAdvertisement({
      source: linkLocal,
      destination: new Uint8Array(16),
      prefixServer: options.primary, // S-31
      mtu: (options.mtu ?? true) ? TUNNEL_MTU : undefined,
      // Not without the MTU option: a check that expects none expects no other option either.
      oneAddress: options.secondary === undefined && (options.mtu ?? true),
    });
    const longestHeader = authenticationLength(0xff, NO_VALUE_YET.length);
    this.ipv6Start = longestHeader + ORIGIN_LENGTH;
    this.answered = new Uint8Array(this.ipv6Start + this.advertisement.length);
    this.answered.set(this.advertisement, this.ipv6Start);
  }

  /** Sends one advertisement for one valid solicitation, to its outer source. S-30, S-34, S-45 */
  answer({ socket, buffer, view, address, port, now }: Arrival): void {
    const { counters } = this;
    const at = view.ipv6Start;
    if (checkRouterSolicitation(buffer, at) !== undefined) {
      counters.droppedInvalidSolicitation++; // S-18
      return;
    }
    const cone = (flagsOf(buffer, at + SOURCE) & CONE_FLAG) !== 0;
    if (cone && this.options.secondary === undefined) {
      // An answer from the address that the client asked passes every NAT: the client would wrongly take its NAT for a cone.
      counters.droppedConeWithoutSecondary++;
      return;
    }
    // Verified before the limit, so that a sender that forges a client's address cannot use up its answers.
    const key = this.keyOf(buffer, view);
    if (key === undefined && this.options.keys !== undefined) {
      counters.droppedUnauthenticated++; // S-14
      return;
    }
    if (!this.answers.take(0, address, port, now)) {
      counters.droppedAnswerLimit++;
      this.hits.ipv4('answers', address);
      return;
    }
    const start = this.compose(buffer, view, key, address, port);
    // S-35: a client with the cone bit set is answered from the address that it did not ask.
    this.commands.transmit(
      cone ? 1 - socket : socket,
      this.answered,
      start,
      this.answered.length,
      address,
      port,
    );
    counters.solicitationsAnswered++;
  }

  /** S-20: a client that knows the server's link-local address may ping it. */
  answerPing({ socket, buffer, view, address, port, now }: Arrival): void {
    const at = view.ipv6Start;
    if (view.ipv6End - at > MAX_ICMPV6_BYTES) {
      this.counters.droppedTooLong++;
      return;
    }
    if (payloadLength(buffer, at) < ECHO_HEADER || !checkIcmpv6(buffer, at)) {
      this.counters.droppedBadChecksum++;
      return;
    }
    // It costs as much as forwarding: the answer is as large as the ping and goes to the source address, which may be forged.
    if (!this.answers.take(0, address, port, now, forwardingCost(view.ipv6End - at))) {
      this.counters.droppedAnswerLimit++;
      this.hits.ipv4('answers', address);
      return;
    }
    const data = echoData(buffer, at);
    const reply = buildEchoReply({
      source: this.linkLocal,
      destination: buffer.subarray(at + SOURCE, at + SOURCE + 16),
      hopLimit: 64,
      identifier: readUint16(buffer, at + IPV6_HEADER + 4),
      sequence: readUint16(buffer, at + IPV6_HEADER + 6),
      data: buffer.subarray(data.start, data.end),
    });
    this.commands.transmit(socket, reply, 0, reply.length, address, port);
    this.counters.pingsAnswered++;
  }

  /** The key with which a secure server has verified this solicitation; undefined: it could not. */
  private keyOf(buffer: Uint8Array, view: DatagramView): ClientKey | undefined {
    const { authentication } = view;
    if (this.options.keys === undefined || authentication === undefined) return undefined;
    const { clientId } = authentication;
    const key = this.options.keys(buffer.slice(clientId.start, clientId.end));
    if (key === undefined) return undefined;
    const origin = view.hasOrigin ? view.originStart : undefined;
    const { ipv6Start, ipv6End } = view;
    const parts = { authentication, origin, ipv6Start, ipv6End };
    return verifyAuthentication(key.secret, buffer, parts) ? key : undefined;
  }

  /**
   * Writes the answer: authentication if the request had one, origin indication, advertisement, in this order. Returns
   * the offset at which it begins. S-37 to S-40
   */
  private compose(
    buffer: Uint8Array,
    view: DatagramView,
    key: ClientKey | undefined,
    address: Ipv4,
    port: number,
  ): number {
    const { answered, ipv6Start } = this;
    const origin = ipv6Start - ORIGIN_LENGTH;
    writeOrigin(answered, origin, address, port);
    copyBytes(buffer, view.ipv6Start + SOURCE, answered, ipv6Start + DESTINATION, 16); // S-33
    this.seal();
    const asked = view.authentication;
    if (asked === undefined) return origin; // S-40
    if (key === undefined) return this.writeNonce(buffer, asked, origin);
    return this.writeSecured(buffer, asked, key, origin);
  }

  /** Sets the checksum; the sum of all octets except the destination was computed before. */
  private seal(): void {
    const { answered, advertisement, ipv6Start } = this;
    const rest = readUint16(advertisement, ICMPV6_CHECKSUM) ^ 0xffff;
    const at = ipv6Start + DESTINATION;
    writeUint16(answered, ipv6Start + ICMPV6_CHECKSUM, internetChecksum(answered, at, at + 16, rest));
  }

  /** A-7, S-38, S-39: an open server returns the nonce and nothing else. Returns the offset of its header. */
  private writeNonce(buffer: Uint8Array, asked: Authentication, end: number): number {
    const { answered } = this;
    const start = end - authenticationLength(0, 0);
    writeAuthentication(answered, start, NOTHING_BUT_NONCE);
    copyBytes(buffer, asked.nonceOffset, answered, start + 4, AUTHENTICATION_NONCE_LENGTH);
    return start;
  }

  /** Writes the header of a secure server, which authenticates all that follows. Returns its offset. */
  private writeSecured(buffer: Uint8Array, asked: Authentication, key: ClientKey, end: number): number {
    const { answered, ipv6Start } = this;
    const clientId = buffer.subarray(asked.clientId.start, asked.clientId.end);
    const start = end - authenticationLength(clientId.length, NO_VALUE_YET.length);
    writeAuthentication(answered, start, {
      clientId,
      value: NO_VALUE_YET,
      nonce: buffer.subarray(asked.nonceOffset, asked.nonceOffset + AUTHENTICATION_NONCE_LENGTH),
      confirmation: key.expired === true ? 1 : 0,
    });
    const authentication = parseAuthentication(answered, start, end)!;
    const parts = { authentication, origin: end, ipv6Start, ipv6End: answered.length };
    answered.set(authenticationValue(key.secret, answered, parts), authentication.value.start);
    return start;
  }
}

const NOTHING = new Uint8Array(0);
/** The header of an open server; the nonce is filled in later. */
const NOTHING_BUT_NONCE = {
  clientId: NOTHING,
  value: NOTHING,
  nonce: new Uint8Array(AUTHENTICATION_NONCE_LENGTH),
  confirmation: 0,
};
/** A placeholder of the length of an HMAC-SHA1. */
const NO_VALUE_YET = new Uint8Array(20);
/** Octets of an echo request before its data: type, code, checksum, identifier, sequence number. */
const ECHO_HEADER = 8;
