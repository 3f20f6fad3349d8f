/**
 * A client that is B of the RFC 6081 examples (server 198.51.100.118, mapped to 192.0.2.10:8192) behind a NAT of the test's choice, and
 * its peer A, whose bubbles are those of the vectors.
 */
import type { ClientOptions } from '../../src/core/client/index.ts';
import {
  DESTINATION,
  parseTrailers,
  readUint32,
  writeAlternateAddresses,
  writeGuess,
  writeNeighborDiscovery,
  writeNonce,
  writeRandomPort,
  writeUint32,
} from '../../src/wire/index.ts';
import type { Endpoint, GuessTrailer, Ipv6, Trailers } from '../../src/wire/index.ts';
import type { Sent } from './client-rig.ts';
import { ClientRig, at, bubble, data, teredo, v4, withOrigin } from './client-rig.ts';

/** External ports of B's NAT: one for all peers; the local port if possible; the next one for each mapping; any. */
export type RigNat = 'restricted' | 'preserving' | 'counting' | 'random';

export const B_SERVER = at('198.51.100.118:3544');
export const B_SECONDARY = at('198.51.100.119:3544');
export const B_MAPPED = at('192.0.2.10:8192');
export const A_MAPPED = at('192.0.2.1:4096');
export const A_SERVER = at('203.0.113.120:3544');
export const A = teredo(A_SERVER, A_MAPPED);
/** What A's server sends B gets by way of B's. */
export const A_NONCE = 0xdeadbeef;

/** What the secondary address sees of the mapping, by NAT. */
export const SECONDARY_PORT = { restricted: 8192, preserving: 61_000, counting: 8194, random: 30_000 };

export interface RigTrailers {
  readonly nonce?: number;
  readonly alternates?: readonly Endpoint[];
  readonly randomPort?: number;
  readonly guess?: GuessTrailer;
  readonly neighborDiscovery?: 'solicitation' | 'advertisement';
}

/** An IPv6 packet with trailers behind it. */
export function trailed(
  packet: Uint8Array,
  { nonce, alternates, randomPort, guess, neighborDiscovery }: RigTrailers,
): Uint8Array {
  const bytes = new Uint8Array(packet.length + 64);
  bytes.set(packet);
  let end = packet.length;
  if (nonce !== undefined) {
    const value = new Uint8Array(4);
    writeUint32(value, 0, nonce);
    end = writeNonce(bytes, end, value);
  }
  if (alternates !== undefined) end = writeAlternateAddresses(bytes, end, alternates);
  if (randomPort !== undefined) end = writeRandomPort(bytes, end, randomPort);
  if (neighborDiscovery !== undefined) end = writeNeighborDiscovery(bytes, end, neighborDiscovery);
  if (guess !== undefined) end = writeGuess(bytes, end, guess);
  return bytes.slice(0, end);
}

/** The trailers of a bubble that went out, with the nonce itself for its offset. */
export function trailersOf({ bytes }: Sent): Trailers {
  const trailers = parseTrailers(bytes, 40, bytes.length);
  return { ...trailers, nonce: trailers.nonce === undefined ? undefined : readUint32(bytes, trailers.nonce) };
}

export class NatRig extends ClientRig {
  constructor(nat: RigNat, options: Partial<ClientOptions> = {}) {
    super({
      servers: [{ primary: B_SERVER.address, secondary: B_SECONDARY.address }],
      servicePort: nat === 'preserving' ? B_MAPPED.port : 40_001,
      network: { subnets: [{ address: v4('172.16.7.2'), prefixLength: 24 }], localAddress: v4('172.16.7.2') },
      localDiscovery: false,
      ...options,
    });
    this.start();
    this.serve(this.sent[0], B_MAPPED);
    this.serve(this.sent[1], { ...B_MAPPED, port: SECONDARY_PORT[nat] });
    this.clear();
  }

  /** Bubbles, in words: "direct 192.0.2.1:4096", "indirect", and "from N" where that is not the service port. */
  get bubbles(): string[] {
    return this.all('bubble').map(describeBubble);
  }
  /** The last bubble through A's server. */
  get indirect(): Sent {
    return this.find('bubble', A_SERVER);
  }
  /** The nonce in that. */
  get nonce(): number {
    return trailersOf(this.indirect).nonce!;
  }
  get trusted(): boolean {
    return [...this.machine.peers(this.now)].some(({ trusted }) => trusted);
  }
  /** Sockets of single peers that are open. */
  readonly sockets = new Set<number>();
  /** Local port wanted for each of them that was ever opened. */
  readonly wantedPorts: (number | undefined)[] = [];

  /** Where data to A goes now: "192.0.2.1:4096", with the socket where that is not the service port; undefined: it waits. */
  whereDataGoes(peer: Ipv6 = A): string | undefined {
    const before = this.sent.length;
    this.send(data(this.address, peer));
    const sent = this.sent.slice(before).find(({ kind }) => kind === 'data');
    return sent === undefined ? undefined : describeBubble(sent).replace('direct ', '');
  }

  /** The server's answer, which has seen this mapping. */
  serve(solicitation: Sent, origin: Endpoint): this {
    const from = { address: solicitation.address, port: 3544 };
    return this.answer(solicitation, { from, origin, prefixServer: B_SERVER.address });
  }

  /** A datagram of the vectors, from A to B: for B's address as it is here. */
  vector(payload: Uint8Array, from: Endpoint = B_SERVER, socket = 0): this {
    const start = payload[0] === 0 ? 8 : 0;
    payload.set(this.address, start + DESTINATION);
    return this.receive(from, payload, socket);
  }

  /** A bubble through B's server. */
  forwarded(trailers: RigTrailers = {}, source: Ipv6 = A, origin = A_MAPPED): this {
    return this.receive(B_SERVER, withOrigin(origin, trailed(bubble(source, this.address), trailers)));
  }

  /** A bubble straight from this pair. */
  direct(from: Endpoint = A_MAPPED, trailers: RigTrailers = {}, socket = 0, source: Ipv6 = A): this {
    return this.receive(from, trailed(bubble(source, this.address), trailers), socket);
  }

  /** A's data. */
  dataFrom(from: Endpoint, socket = 0): this {
    return this.receive(from, data(A, this.address), socket);
  }

  /** Time passes, and the server answers what maintains the mapping. */
  pass(milliseconds: number): this {
    const end = this.now + milliseconds;
    while (this.now < end) {
      const before = this.sent.length;
      this.advance(Math.min(500, end - this.now));
      for (const one of this.sent.slice(before)) {
        if (one.kind === 'solicitation' && one.socket === 0) this.serve(one, B_MAPPED);
      }
    }
    return this;
  }

  override drain(): this {
    const before = this.events.length;
    super.drain();
    for (const event of this.events.slice(before)) {
      if (event.type === 'socket-wanted') {
        this.sockets.add(event.socket);
        this.wantedPorts.push(event.port);
      } else if (event.type === 'socket-unwanted') this.sockets.delete(event.socket);
    }
    return this;
  }
}

function describeBubble(one: Sent): string {
  const place = one.summary.replace(/^\S+ /, '');
  const kind = one.to(A_SERVER) ? 'indirect' : `direct ${place}`;
  return one.socket === 0 ? kind : `${kind} from ${one.socket}`;
}

/** A guess trailer: random ports, nothing echoed, unless changed. docs/adr/0016 */
export function guess(change: Partial<GuessTrailer> = {}): GuessTrailer {
  return { habit: 'random', port: 0, step: 0, token: 0xabcd, echo: 0, ...change };
}

/** The last indirect bubble through this server that offers a guess. */
export function lastGuess(rig: NatRig, server: Endpoint): Sent | undefined {
  return rig.sent.findLast(
    (one) => one.kind === 'bubble' && one.address === server.address && trailersOf(one).guess !== undefined,
  );
}

/** Agrees to guess ports with whoever has that address, as one would who sees what goes to the server named there. */
export function agree(
  rig: NatRig,
  peer: Ipv6,
  server: Endpoint,
  mapped: Endpoint,
  mine: Partial<GuessTrailer> = {},
): NatRig {
  rig.forwarded({ nonce: A_NONCE, guess: guess(mine) }, peer, mapped);
  const said = lastGuess(rig, server);
  const echo = said === undefined ? 0 : trailersOf(said).guess!.token;
  return rig.forwarded({ nonce: A_NONCE, guess: guess({ ...mine, echo }) }, peer, mapped);
}
