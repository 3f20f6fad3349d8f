import { verifyAuthentication } from '../../secure.ts';
import {
  DESTINATION,
  ICMPV6,
  NEXT_HEADER,
  TEREDO_PORT,
  equalBytes,
  icmpv6Type,
  isTeredo,
  nextHeader,
  parseRouterAdvertisement,
  payloadLength,
  serverOf,
} from '../../../wire/index.ts';
import type { DatagramView, Endpoint, Ipv4 } from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';
import type { Solicitation } from './solicitation.ts';
import type { AdvertisementReason, Answer } from '../status.ts';

/** A received datagram that holds a router advertisement. */
export interface ReceivedAdvertisement {
  readonly buffer: Uint8Array;
  readonly view: DatagramView;
  readonly from: Endpoint;
  readonly now: number;
}

/** Whether the IPv6 packet at an offset is a router advertisement, good or bad. */
export function isAdvertisement(b: Uint8Array, o: number): boolean {
  return nextHeader(b, o) === NEXT_HEADER.ICMPV6 && payloadLength(b, o) > 0 && icmpv6Type(b, o) === ICMPV6.RA;
}

/**
 * Finds the solicitation that an advertisement answers and checks it in every respect (RFC 4380 sections 5.2.1, 5.2.2).
 * An invalid one is noted with its reason, and changes nothing else. CL-20, CL-82
 */
export function acceptAdvertisement(
  context: ClientContext,
  pending: readonly Solicitation[],
  received: ReceivedAdvertisement,
): { readonly solicitation: Solicitation; readonly answer: Answer } | undefined {
  // Two may wait for the same address, the second of one server and the first of another: the nonce shows which one is answered.
  const answerable = pending.filter((candidate) => mayAnswer(context, candidate, received));
  const solicitation =
    answerable.find((one) => judgeNonce(context, one, received.buffer, received.view) === undefined) ??
    answerable[0];
  if (solicitation === undefined) {
    context.counters.droppedUnsolicitedAdvertisement++;
    noteStranger(context, pending, received);
    return undefined;
  }
  const log = context.logs[solicitation.server];
  const { from, view, now } = received;
  const reason = judge(context, solicitation, received);
  if (reason !== undefined) {
    context.counters.droppedInvalidAdvertisement++;
    log.refused({ from, reason, receivedAt: now });
    return undefined;
  }
  const sentAt =
    view.authentication === undefined
      ? undefined
      : solicitation.sentWith(received.buffer, view.authentication.nonceOffset);
  const answer = {
    from,
    origin: { address: view.originAddress, port: view.originPort },
    receivedAt: now,
    roundTripMs: now - (sentAt ?? solicitation.lastSentAt),
    oneAddress: saysOneAddress(received),
  };
  context.counters.acceptedAdvertisements++;
  log.answered(answer);
  const expired = context.options.secret !== undefined && view.authentication!.confirmation !== 0;
  if (expired && !log.keyExpired) {
    context.commands.event({ type: 'key-expired', server: solicitation.server }); // CL-35
  }
  log.keyExpired = expired;
  return { solicitation, answer };
}

/** Whether the server says that there is no second address to ask: valid advertisements only. */
function saysOneAddress({ buffer, view }: ReceivedAdvertisement): boolean {
  const advertisement = parseRouterAdvertisement(buffer, view.ipv6Start);
  return advertisement.reason === undefined && advertisement.oneAddress;
}

/**
 * Without the cone bit the address that was asked answers, with it another one does. An answer with another nonce than
 * ours still goes to the solicitation of its source, to be refused there. A-20
 */
function mayAnswer(
  context: ClientContext,
  solicitation: Solicitation,
  { buffer, view, from }: ReceivedAdvertisement,
): boolean {
  if (from.port !== TEREDO_PORT) return false;
  if (!solicitation.cone) return from.address === solicitation.target;
  if (from.address === solicitation.target) return false;
  return judgeNonce(context, solicitation, buffer, view) === undefined;
}

function judge(
  context: ClientContext,
  solicitation: Solicitation,
  { buffer, view }: ReceivedAdvertisement,
): AdvertisementReason | undefined {
  const reason = judgeAuthentication(context, solicitation, buffer, view);
  if (reason !== undefined) return reason;
  if (!view.hasOrigin) return 'no-origin'; // CL-14
  const advertisement = parseRouterAdvertisement(buffer, view.ipv6Start);
  if (advertisement.reason !== undefined) return advertisement.reason; // CL-15
  if (!equalBytes(buffer, view.ipv6Start + DESTINATION, solicitation.linkLocal, 0, 16)) {
    return 'not-our-link-local'; // CL-16
  }
  if (advertisement.prefixes.length !== 1) return 'not-one-prefix'; // CL-17
  const [prefix] = advertisement.prefixes;
  const server = context.servers[solicitation.server].primary;
  if (
    prefix.length !== 64 ||
    !isTeredo(buffer, prefix.addressOffset) ||
    serverOf(buffer, prefix.addressOffset) !== server
  ) {
    return 'wrong-prefix'; // CL-18
  }
  if (!context.policy.isGlobalUnicast(view.originAddress) || view.originPort === 0) {
    return 'mapping-not-global'; // CL-26
  }
  return undefined;
}

function judgeAuthentication(
  context: ClientContext,
  solicitation: Solicitation,
  b: Uint8Array,
  view: DatagramView,
): AdvertisementReason | undefined {
  const reason = judgeNonce(context, solicitation, b, view);
  const { secret } = context.options;
  const header = view.authentication;
  if (reason !== undefined || secret === undefined || header === undefined) return reason;
  const { start, end } = header.clientId;
  if (end - start !== secret.clientId.length || !equalBytes(b, start, secret.clientId, 0, end - start)) {
    return 'wrong-client-identifier'; // CL-37
  }
  const origin = view.hasOrigin ? view.originStart : undefined;
  const { ipv6Start, ipv6End } = view;
  return verifyAuthentication(secret.secret, b, { authentication: header, origin, ipv6Start, ipv6End })
    ? undefined
    : 'wrong-authentication-value'; // CL-36
}

function judgeNonce(
  context: ClientContext,
  solicitation: Solicitation,
  b: Uint8Array,
  { authentication }: DatagramView,
): AdvertisementReason | undefined {
  const { secret, sendNonce = true } = context.options;
  if (secret === undefined && !sendNonce) return undefined; // CL-38
  if (authentication === undefined) return 'no-authentication'; // CL-30
  return solicitation.sentWith(b, authentication.nonceOffset) === undefined ? 'wrong-nonce' : undefined; // CL-32
}

/** From the wrong address, but with our nonce; or from the wrong port: shown with the server that was asked. */
function noteStranger(
  context: ClientContext,
  pending: readonly Solicitation[],
  { buffer, view, from, now }: ReceivedAdvertisement,
): void {
  const { authentication } = view;
  const asked = pending.find(
    (one) =>
      !one.cone &&
      authentication !== undefined &&
      one.sentWith(buffer, authentication.nonceOffset) !== undefined,
  );
  const claims = (address: Ipv4 | undefined): boolean => address === from.address;
  const claimed = context.logs.find(({ primary, secondary }) => claims(primary) || claims(secondary));
  const log =
    asked === undefined ? (from.port === TEREDO_PORT ? undefined : claimed) : context.logs[asked.server];
  log?.refused({ from, reason: 'wrong-server-address', receivedAt: now });
}
