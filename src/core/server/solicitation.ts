import type { CommandRing } from '../commands.ts';
import { TUNNEL_MTU } from '../constants.ts';
import type { SocketId } from '../machine.ts';
import { authenticationValue, verifyAuthentication } from '../secure.ts';
import type { FairBudget } from '../fair-budget.ts';
import {
  AUTHENTICATION_NONCE_LENGTH,
  CONE_FLAG,
  DESTINATION,
  SOURCE,
  authenticationLength,
  buildEchoReply,
  buildRouterAdvertisement,
  checkIcmpv6,
  checkRouterSolicitation,
  copyBytes,
  echoData,
  flagsOf,
  parseAuthentication,
  payloadLength,
  readUint16,
  sealIcmpv6,
  writeAuthentication,
  writeOrigin,
  ORIGIN_LENGTH,
  IPV6_HEADER,
} from '../../wire/index.ts';
import type { DatagramView, Ipv4, Ipv6 } from '../../wire/index.ts';
import type { ServerCounter } from './counters.ts';
import { MAX_ICMPV6_BYTES, forwardingCost } from './limits.ts';
import type { ClientKey, ServerOptions } from './options.ts';

/** What is sent to the server itself: router solicitations, and pings of its link-local address. RFC 4380 section 5.3.2 */
export class Solicitation {
  private readonly options: ServerOptions;
  private readonly linkLocal: Ipv6;
  answers: FairBudget;
  private readonly counters: Record<ServerCounter, number>;
  private readonly commands: CommandRing;
  /** The same for everybody but for destination and checksum. */
  readonly advertisement: Uint8Array;
  /** The latest answer: a command's bytes need not outlive the next input. */
  private readonly answered: Uint8Array;

  constructor(
    options: ServerOptions,
    linkLocal: Ipv6,
    answers: FairBudget,
    counters: Record<ServerCounter, number>,
    commands: CommandRing,
  ) {
    this.options = options;
    this.linkLocal = linkLocal;
    this.answers = answers;
    this.counters = counters;
    this.commands = commands;
    this.advertisement = buildRouterAdvertisement({
      source: linkLocal,
      destination: new Uint8Array(16),
      prefixServer: options.primary, // S-31
      mtu: (options.advertiseMtu ?? true) ? TUNNEL_MTU : undefined,
      // Not where the size matters: checkers that want no MTU option want no other either.
      oneAddress: options.secondary === undefined && (options.advertiseMtu ?? true),
    });
    const longestHeader = authenticationLength(0xff, NO_VALUE_YET.length);
    this.answered = new Uint8Array(longestHeader + ORIGIN_LENGTH + this.advertisement.length);
  }

  /** One advertisement for one valid solicitation, to where it came from. S-30, S-34, S-45 */
  answer(
    socket: SocketId,
    buffer: Uint8Array,
    view: DatagramView,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { counters } = this;
    const at = view.ipv6Start;
    if (checkRouterSolicitation(buffer, at) !== undefined) {
      counters.droppedInvalidSolicitation++; // S-18
      return;
    }
    const cone = (flagsOf(buffer, at + SOURCE) & CONE_FLAG) !== 0;
    if (cone && this.options.secondary === undefined) {
      // Answered from the address it asked, a client behind any NAT would take itself for open to all.
      counters.droppedConeWithoutSecondary++;
      return;
    }
    // Verified first, so that nobody can use up a client's answers in its name.
    const key = this.keyOf(buffer, view);
    if (key === undefined && this.options.keys !== undefined) {
      counters.droppedUnauthenticated++; // S-14
      return;
    }
    if (!this.answers.take(0, address, 0, port, now)) {
      counters.droppedAnswerLimit++;
      return;
    }
    const end = this.compose(buffer, view, key, address, port);
    // S-35: a client that says "cone" is answered from the address it did not ask.
    this.commands.transmit(cone ? 1 - socket : socket, this.answered, 0, end, address, port);
    counters.solicitationsAnswered++;
  }

  /** S-20: who knows the server's link-local address may ping it. */
  answerPing(
    socket: SocketId,
    buffer: Uint8Array,
    view: DatagramView,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const at = view.ipv6Start;
    if (view.ipv6End - at > MAX_ICMPV6_BYTES) {
      this.counters.droppedTooLong++;
      return;
    }
    if (payloadLength(buffer, at) < ECHO_HEADER || !checkIcmpv6(buffer, at)) {
      this.counters.droppedBadChecksum++;
      return;
    }
    // As much as forwarding: an answer as large as the ping goes to whoever the source names.
    if (!this.answers.take(0, address, 0, port, now, forwardingCost(view.ipv6End - at))) {
      this.counters.droppedAnswerLimit++;
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

  /** The key that a secure server verified this solicitation with. */
  private keyOf(buffer: Uint8Array, view: DatagramView): ClientKey | undefined {
    const { authentication } = view;
    if (this.options.keys === undefined || authentication === undefined) return undefined;
    const { clientId } = authentication;
    const key = this.options.keys(buffer.slice(clientId.start, clientId.end));
    if (key === undefined) return undefined;
    const origin = view.hasOrigin ? view.originStart : undefined;
    const good = verifyAuthentication(
      key.secret,
      buffer,
      authentication,
      origin,
      view.ipv6Start,
      view.ipv6End,
    );
    return good ? key : undefined;
  }

  /**
   * Writes the answer: authentication where the request had one, origin indication, advertisement, in this order. Returns
   * its length. S-37 to S-40
   */
  private compose(
    buffer: Uint8Array,
    view: DatagramView,
    key: ClientKey | undefined,
    address: Ipv4,
    port: number,
  ): number {
    const { answered, advertisement } = this;
    const origin = this.writeHeader(buffer, view, key);
    const ipv6Start = writeOrigin(answered, origin, address, port);
    const end = ipv6Start + advertisement.length;
    answered.set(advertisement, ipv6Start);
    copyBytes(buffer, view.ipv6Start + SOURCE, answered, ipv6Start + DESTINATION, 16); // S-33
    sealIcmpv6(answered, ipv6Start);
    if (key !== undefined) {
      const header = parseAuthentication(answered, 0, end)!;
      answered.set(
        authenticationValue(key.secret, answered, header, origin, ipv6Start, end),
        header.value.start,
      );
    }
    return end;
  }

  /** Returns its end. The authentication value is still to be filled in. */
  private writeHeader(buffer: Uint8Array, view: DatagramView, key: ClientKey | undefined): number {
    const asked = view.authentication;
    if (asked === undefined) return 0; // S-40
    const nonce = buffer.subarray(asked.nonceOffset, asked.nonceOffset + AUTHENTICATION_NONCE_LENGTH);
    if (key === undefined) {
      // A-7, S-38, S-39: an open server gives back the nonce and nothing else
      return writeAuthentication(this.answered, 0, {
        clientId: NOTHING,
        value: NOTHING,
        nonce,
        confirmation: 0,
      });
    }
    return writeAuthentication(this.answered, 0, {
      clientId: buffer.subarray(asked.clientId.start, asked.clientId.end),
      value: NO_VALUE_YET,
      nonce,
      confirmation: key.expired === true ? 1 : 0,
    });
  }
}

const NOTHING = new Uint8Array(0);
/** As long as an HMAC-SHA1. */
const NO_VALUE_YET = new Uint8Array(20);
/** Of an echo request: type, code, checksum, identifier, sequence number. */
const ECHO_HEADER = 8;
