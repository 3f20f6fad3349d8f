import type { CommandRing } from '../commands.ts';
import { TUNNEL_MTU } from '../constants.ts';
import type { SocketId } from '../machine.ts';
import { authenticationValue, verifyAuthentication } from '../secure.ts';
import type { FairBudget } from '../fair-budget.ts';
import {
  CONE_FLAG,
  SOURCE,
  authenticationLength,
  buildEchoReply,
  buildRouterAdvertisement,
  checkIcmpv6,
  checkRouterSolicitation,
  echoData,
  flagsOf,
  parseAuthentication,
  payloadLength,
  readUint16,
  writeAuthentication,
  writeOrigin,
  ORIGIN_LENGTH,
  IPV6_HEADER,
} from '../../wire/index.ts';
import type { DatagramView, Ipv4, Ipv6 } from '../../wire/index.ts';
import type { ServerCounter } from './counters.ts';
import { MAX_ICMPV6_BYTES } from './limits.ts';
import type { ClientKey, ServerOptions } from './options.ts';

/** What is sent to the server itself: router solicitations, and pings of its link-local address. RFC 4380 section 5.3.2 */
export class Solicitation {
  private readonly options: ServerOptions;
  private readonly linkLocal: Ipv6;
  private readonly answers: FairBudget;
  private readonly counters: Record<ServerCounter, number>;
  private readonly commands: CommandRing;

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
    const datagram = this.compose(buffer, view, key, address, port);
    // S-35: a client that says "cone" is answered from the address it did not ask.
    this.commands.transmit(cone ? 1 - socket : socket, datagram, 0, datagram.length, address, port);
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
    if (!this.answers.take(0, address, 0, port, now)) {
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

  /** Authentication where the request had one, origin indication, advertisement: in this order. S-37 to S-40 */
  private compose(
    buffer: Uint8Array,
    view: DatagramView,
    key: ClientKey | undefined,
    address: Ipv4,
    port: number,
  ): Uint8Array {
    const at = view.ipv6Start;
    const advertisement = buildRouterAdvertisement({
      source: this.linkLocal,
      destination: buffer.subarray(at + SOURCE, at + SOURCE + 16), // S-33
      prefixServer: this.options.primary, // S-31
      mtu: (this.options.advertiseMtu ?? true) ? TUNNEL_MTU : undefined,
      oneAddress: this.options.secondary === undefined,
    });
    const asked = view.authentication;
    const clientId =
      key === undefined || asked === undefined
        ? NOTHING
        : buffer.subarray(asked.clientId.start, asked.clientId.end);
    const value = key === undefined ? NOTHING : new Uint8Array(HMAC_SHA1_LENGTH);
    const headerLength = asked === undefined ? 0 : authenticationLength(clientId.length, value.length);
    const datagram = new Uint8Array(headerLength + ORIGIN_LENGTH + advertisement.length);
    if (asked !== undefined) {
      // A-7, S-38: an open server gives back the nonce and nothing else
      const nonce = buffer.subarray(asked.nonceOffset, asked.nonceOffset + 8);
      writeAuthentication(datagram, 0, {
        clientId,
        value,
        nonce,
        confirmation: key?.expired === true ? 1 : 0,
      });
    }
    writeOrigin(datagram, headerLength, address, port);
    datagram.set(advertisement, headerLength + ORIGIN_LENGTH);
    if (key !== undefined) sign(datagram, key.secret, headerLength);
    return datagram;
  }
}

/** Computes the authentication value of a whole answer and puts it into its header. C-25 */
function sign(datagram: Uint8Array, secret: Uint8Array, origin: number): void {
  const header = parseAuthentication(datagram, 0, datagram.length)!;
  const ipv6Start = origin + ORIGIN_LENGTH;
  const value = authenticationValue(secret, datagram, header, origin, ipv6Start, datagram.length);
  datagram.set(value, header.value.start);
}

const NOTHING = new Uint8Array(0);
const HMAC_SHA1_LENGTH = 20;
/** Of an echo request: type, code, checksum, identifier, sequence number. */
const ECHO_HEADER = 8;
