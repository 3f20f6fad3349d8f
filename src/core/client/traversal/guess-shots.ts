import { randomBetween } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Guess } from './guess.ts';
import type { PeerPaths } from './peer-paths.ts';
import type { SocketPool } from './socket-pool.ts';

/** By this many sockets a NAT with random ports is opened, and so many ports are tried: 256 x 1,700 / 64,512 are 6.7 hits. */
const OPENINGS = 256;
const PROBES = 1_700;
/** Sockets tried between two NATs that count, and the one of them that is right when nothing else went out meanwhile. */
export const WINDOW = 16;
export const MIDDLE = 8;
/** Ports that a NAT gives away. */
const [LOWEST_PORT, PORTS] = [1_024, 64_512];
/** Volley and fan are sent so often, with so long between: a bubble that is lost has opened the NAT, but arrives nowhere. */
const [VOLLEYS, VOLLEY_PAUSE_MS] = [3, 300];
/** So much goes out at once, and so often. */
export const [BURST, PACE_MS] = [16, 20];

/** What two clients send that guess each other's ports, one bubble after the other. docs/adr/0016 */
export class GuessShots {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly paths: PeerPaths;
  private readonly ports: SocketPool;

  constructor(context: ClientContext, bubbles: Bubbles, paths: PeerPaths, ports: SocketPool) {
    this.context = context;
    this.bubbles = bubbles;
    this.paths = paths;
    this.ports = ports;
  }

  /** Our NAT gives each socket's bubble a port: at any of them it lets the peer in. */
  *openings(peer: number, guess: Guess): Generator<void> {
    const target = this.context.peers.address(peer);
    for (let i = 0; i < OPENINGS; i++) {
      const socket = this.openSocket(peer, guess);
      if (socket === 0) return;
      this.send(peer, guess, mappedPortOf(target, 0), socket);
      yield;
    }
  }

  /** Each port once, in random order. */
  *probes(peer: number, guess: Guess): Generator<void> {
    const stride = 2 * Math.floor(randomBetween(this.context.entropy, 0, PORTS / 2)) + 1;
    let at = Math.floor(randomBetween(this.context.entropy, 0, PORTS));
    const seen = new Set<number>();
    while (seen.size < PROBES) {
      at = (at + stride) % PORTS;
      if (seen.has(at)) at = Math.floor(randomBetween(this.context.entropy, 0, PORTS));
      if (seen.has(at)) continue;
      seen.add(at);
      this.send(peer, guess, LOWEST_PORT + at, SOCKET.service);
      yield;
    }
  }

  /** One socket, to each port that the peer's NAT may give to its sockets, one after the other and again. */
  *volley(peer: number, guess: Guess): Generator<void> {
    const { port, step } = guess.peer!;
    for (let round = 0; round < VOLLEYS; round++) {
      for (let i = 0; i < 2 * WINDOW; i++) this.send(peer, guess, port + i * step, guess.measuredBy);
      yield* pause();
    }
  }

  /**
   * A socket for each port that our NAT may give, to the port in the middle of those that the peer's NAT gives to its volley; and to the first
   * one, which it gives to all of it where the mapping depends on the address alone.
   */
  *fan(peer: number, guess: Guess): Generator<void> {
    const { port, step } = guess.peer!;
    const fan: SocketId[] = [];
    for (let i = 0; i < WINDOW; i++) {
      const local = this.context.preservesPorts ? guess.port + i * guess.step : undefined;
      if (local !== undefined && local > 0xffff) continue;
      const socket = this.openSocket(peer, guess, local);
      if (socket === 0) return;
      fan.push(socket);
    }
    for (let round = 0; round < VOLLEYS; round++) {
      for (const to of [port + MIDDLE * step, port]) {
        for (const socket of fan) this.send(peer, guess, to, socket);
      }
      yield* pause();
    }
  }

  /** 0 where there is none left. */
  openSocket(peer: number, guess: Guess, port?: number): SocketId {
    if (!guess.isWanted && !this.ports.hasRoomForStranger(peer)) return 0;
    const socket = this.ports.open(peer, port);
    if (socket !== 0) guess.sockets.push(socket);
    return socket;
  }

  send(peer: number, guess: Guess, port: number, socket: SocketId): void {
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    const target = this.context.peers.address(peer);
    const to = port & 0xffff;
    if (to === 0) return;
    guess.sent++;
    this.bubbles.sendGuess(target, mappedAddressOf(target, 0), to, nonce, socket);
  }
}

/** Nothing is sent for so many bursts. */
function* pause(): Generator<void> {
  for (let i = 0; i < (VOLLEY_PAUSE_MS / PACE_MS) * BURST; i++) yield;
}
