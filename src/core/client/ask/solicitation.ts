import { SOLICITATION_ATTEMPTS, SOLICITATION_INTERVAL_MS } from '../../constants.ts';
import { randomBytes } from '../../entropy.ts';
import { authenticationValue } from '../../secure.ts';
import type { SocketId } from '../../machine.ts';
import {
  CONE_FLAG,
  TEREDO_PORT,
  authenticationLength,
  buildRouterSolicitation,
  equalBytes,
  makeLinkLocal,
  writeAuthentication,
} from '../../../wire/index.ts';
import type { Ipv4, Ipv6 } from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';

const NOTHING = new Uint8Array(0);
const NONCE_LENGTH = 8;
const VALUE_LENGTH = 20;

/** The socket and the address that solicitations go from and to. */
export interface Question {
  readonly socket: SocketId;
  /** Index of the server. */
  readonly server: number;
  readonly target: Ipv4;
  /** Whether the cone bit is set, so that another address answers. */
  readonly cone?: boolean;
  readonly intervalMs?: number;
}

/**
 * Router solicitations to one server address: up to three, four seconds apart by default (RFC 4380 section 5.2.1, A-1). Each has
 * its own nonce, and an answer to any of them counts. CL-10, CL-12, CL-31
 */
export class Solicitation {
  readonly socket: SocketId;
  /** Index of the server. */
  readonly server: number;
  readonly target: Ipv4;
  readonly cone: boolean;
  /** The link-local address that solicits, and that the answer must be for. CL-16 */
  readonly linkLocal: Ipv6;
  /** When the next one, or the end of waiting, is due. */
  dueAt = Infinity;

  private readonly context: ClientContext;
  private readonly intervalMs: number;
  private readonly sent: { readonly nonce: Uint8Array; readonly at: number }[] = [];

  /** Sends the first one at once. */
  constructor(context: ClientContext, question: Question, now: number) {
    const { socket, server, target, cone = false, intervalMs = SOLICITATION_INTERVAL_MS } = question;
    this.context = context;
    this.intervalMs = intervalMs;
    this.socket = socket;
    this.server = server;
    this.target = target;
    this.cone = cone;
    this.linkLocal = makeLinkLocal({
      flags: cone ? CONE_FLAG : 0, // U-9
      mappedPort: context.servicePort ?? 0,
      mappedAddress: context.network.localAddress ?? 0,
    });
    this.send(now);
  }

  /** The number sent. */
  get attempts(): number {
    return this.sent.length;
  }

  get lastSentAt(): number {
    return this.sent[this.sent.length - 1].at;
  }

  /** When the solicitation with the nonce at an offset was sent; undefined: none had it. CL-32 */
  sentWith(b: Uint8Array, o: number): number | undefined {
    return this.sent.find(({ nonce }) => equalBytes(b, o, nonce, 0, NONCE_LENGTH))?.at;
  }

  /** Repeats when it is time. `failed`: the last one was not answered. */
  handleTimeout(now: number): 'failed' | undefined {
    if (now < this.dueAt) return undefined;
    if (this.attempts >= SOLICITATION_ATTEMPTS) {
      this.dueAt = Infinity;
      return 'failed';
    }
    this.send(now);
    return undefined;
  }

  private send(now: number): void {
    const { context, cone, target } = this;
    const nonce = randomBytes(context.entropy, NONCE_LENGTH); // CL-31
    this.sent.push({ nonce, at: now });
    this.dueAt = now + this.intervalMs;
    context.logs[this.server].sent({ target, cone, sentAt: now });
    context.counters.sentSolicitations++;
    const datagram = this.build(nonce);
    context.commands.transmit(this.socket, datagram, 0, datagram.length, target, TEREDO_PORT);
  }

  private build(nonce: Uint8Array): Uint8Array {
    const { secret, sendNonce = true } = this.context.options;
    const packet = buildRouterSolicitation(this.linkLocal);
    if (secret === undefined && !sendNonce) return packet;
    const clientId = secret?.clientId ?? NOTHING; // CL-33
    const value = secret === undefined ? NOTHING : new Uint8Array(VALUE_LENGTH);
    const start = authenticationLength(clientId.length, value.length);
    const datagram = new Uint8Array(start + packet.length);
    datagram.set(packet, start);
    writeAuthentication(datagram, 0, { clientId, value, nonce, confirmation: 0 }); // CL-34
    if (secret === undefined) return datagram;
    const valueStart = 4 + clientId.length;
    const nonceOffset = valueStart + value.length;
    const authentication = {
      start: 0,
      end: start,
      clientId: { start: 4, end: valueStart },
      value: { start: valueStart, end: nonceOffset },
      nonceOffset,
      confirmation: 0,
    };
    const parts = { authentication, origin: undefined, ipv6Start: start, ipv6End: datagram.length };
    datagram.set(authenticationValue(secret.secret, datagram, parts), valueStart);
    return datagram;
  }
}
