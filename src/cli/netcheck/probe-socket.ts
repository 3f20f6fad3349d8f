import { randomBytes } from '../../core/entropy.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import type { DatagramBatch, Udp } from '../../io/ports.ts';
import {
  AUTHENTICATION_NONCE_LENGTH,
  CONE_FLAG,
  DatagramView,
  TEREDO_PORT,
  authenticationLength,
  buildRouterSolicitation,
  decodeDatagram,
  equalBytes,
  isBubble,
  makeLinkLocal,
  parseRouterAdvertisement,
  writeAuthentication,
} from '../../wire/index.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';

/** The ports that measuring needs: a plain user may open them. */
export type ProbePorts = Pick<PortFactory, 'clock' | 'entropy' | 'openUdp'> & {
  readonly network: Pick<PortFactory['network'], 'ipv4Subnets'>;
};

/** How often a question is asked, and how long apart; after the last one as long again is waited. */
export interface Patience {
  readonly times: number;
  readonly intervalMs: number;
}

export interface Question {
  readonly target: Ipv4;
  /** With the cone bit: the server's other address is to answer. RFC 4380 section 5.3.2 */
  readonly cone?: boolean;
}

export interface ProbeAnswer {
  /** The address that was asked. */
  readonly target: Ipv4;
  readonly from: Ipv4;
  /** This host's address and port, as the server saw them. */
  readonly mapped: Endpoint;
}

interface Waiting {
  /** Whether this datagram is the expected one. */
  readonly take: (bytes: Uint8Array, from: Endpoint) => boolean;
  readonly giveUp: () => void;
}

const NOTHING = new Uint8Array(0);

/** A UDP socket that asks Teredo servers for its mapping, and no more: it never becomes a client. */
export class ProbeSocket {
  readonly local: Endpoint;
  private readonly ports: ProbePorts;
  private readonly udp: Udp;
  private readonly view = new DatagramView();
  private readonly waiting = new Set<Waiting>();

  constructor(ports: ProbePorts, bind: Ipv4 | undefined, port = 0) {
    this.ports = ports;
    this.udp = ports.openUdp({ address: bind ?? 0, port, few: true });
    this.local = this.udp.local;
    this.udp.start((batch) => this.hear(batch));
  }

  /** Asks, again while there is no answer, and returns the answer or undefined. */
  ask({ target, cone = false }: Question, { times, intervalMs }: Patience): Promise<ProbeAnswer | undefined> {
    const nonce = randomBytes(this.ports.entropy, AUTHENTICATION_NONCE_LENGTH);
    const datagram = solicitation(nonce, cone);
    return this.repeat(
      () => this.send(datagram, { address: target, port: TEREDO_PORT }),
      (bytes, from) => {
        const isExpected = from.port === TEREDO_PORT && cone !== (from.address === target);
        const mapped = isExpected ? this.mappedIn(bytes, nonce) : undefined;
        return mapped === undefined ? undefined : { target, from: from.address, mapped };
      },
      { times, intervalMs },
    );
  }

  /** Calls `act` again and again until `judge` has a result for a datagram, and returns the result. */
  repeat<T>(
    act: () => void,
    judge: (bytes: Uint8Array, from: Endpoint) => T | undefined,
    { times, intervalMs }: Patience,
  ): Promise<T | undefined> {
    const { clock } = this.ports;
    return new Promise((resolve) => {
      let left = times;
      let cancel = (): void => {};
      const end = (result: T | undefined): void => {
        cancel();
        this.waiting.delete(waiting);
        resolve(result);
      };
      const waiting: Waiting = {
        take: (bytes, from) => {
          const result = judge(bytes, from);
          if (result !== undefined) end(result);
          return result !== undefined;
        },
        giveUp: () => end(undefined),
      };
      const turn = (): void => {
        if (left-- === 0) return end(undefined);
        cancel = clock.setTimer(clock.now() + intervalMs, turn);
        act();
      };
      this.waiting.add(waiting);
      turn();
    });
  }

  send(datagram: Uint8Array, to: Endpoint): void {
    this.udp.send(datagram, 0, datagram.length, to.address, to.port);
    this.udp.flush();
  }

  /** Whether a datagram is this bubble, with or without an origin indication before it. */
  holdsBubble(bytes: Uint8Array, bubble: Uint8Array): boolean {
    const { view } = this;
    if (decodeDatagram(bytes, 0, bytes.length, view) !== undefined || !isBubble(bytes, view.ipv6Start))
      return false;
    // It may come from a router on the way, though none should answer.
    return equalBytes(bytes, view.ipv6Start + 8, bubble, 8, 32);
  }

  /** All that still wait get nothing. */
  close(): void {
    for (const { giveUp } of this.waiting) giveUp();
    this.udp.close();
  }

  private hear({ count, buffer, offsets, lengths, addresses, ports }: DatagramBatch): void {
    for (let i = 0; i < count; i++) {
      const bytes = buffer.slice(offsets[i]!, offsets[i]! + lengths[i]!);
      const from = { address: addresses[i]!, port: ports[i]! };
      for (const one of this.waiting) if (one.take(bytes, from)) break;
    }
  }

  /** The origin indication of a valid advertisement with this nonce. RFC 4380 sections 5.1.1 and 5.2.1 */
  private mappedIn(bytes: Uint8Array, nonce: Uint8Array): Endpoint | undefined {
    const { view } = this;
    if (decodeDatagram(bytes, 0, bytes.length, view) !== undefined) return undefined;
    const { authentication, hasOrigin, originAddress, originPort, ipv6Start } = view;
    if (authentication === undefined || !hasOrigin || originPort === 0) return undefined;
    if (!equalBytes(bytes, authentication.nonceOffset, nonce, 0, nonce.length)) return undefined;
    if (parseRouterAdvertisement(bytes, ipv6Start).reason !== undefined) return undefined;
    return { address: originAddress, port: originPort };
  }
}

function solicitation(nonce: Uint8Array, cone: boolean): Uint8Array {
  const packet = buildRouterSolicitation(
    makeLinkLocal({ flags: cone ? CONE_FLAG : 0, mappedPort: 0, mappedAddress: 0 }),
  );
  const start = authenticationLength(0, 0);
  const datagram = new Uint8Array(start + packet.length);
  writeAuthentication(datagram, 0, { clientId: NOTHING, value: NOTHING, nonce, confirmation: 0 });
  datagram.set(packet, start);
  return datagram;
}
