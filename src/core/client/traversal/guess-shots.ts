import { randomBetween } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Guess } from './guess.ts';
import type { PeerPath } from './peer-path.ts';
import type { SocketPool } from './socket-pool.ts';

/** One side opens its NAT with random ports by this many sockets, the other tries this many ports: 256 x 1,700 / 64,512 are 6.7 hits. */
const OPENINGS = 256;
const PROBES = 1_700;
/** 3.4 hits: 97 of 100 such guesses succeed. */
const FEWEST_OPENINGS = OPENINGS / 2;
/** Sockets of the fan between two NATs that count, and the index of the one that matches if no other packets left meanwhile. */
export const WINDOW = 16;
export const MIDDLE = 8;
/** Ports that a NAT assigns. */
const [LOWEST_PORT, PORTS] = [1_024, 64_512];
/** Volley and fan are sent this often, this far apart: a bubble may open our NAT and then be lost. */
const [VOLLEYS, VOLLEY_PAUSE_MS] = [3, 300];
/** Bubbles sent at once, and the time between bursts. */
export const [BURST, PACE_MS] = [16, 20];

/** The bubbles of two clients that guess each other's ports, one after the other. docs/adr/0016 */
export class GuessShots {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly pool: SocketPool;

  constructor(context: ClientContext, bubbles: Bubbles, pool: SocketPool) {
    this.context = context;
    this.bubbles = bubbles;
    this.pool = pool;
  }

  /** Our NAT gives each socket's bubble another port, and admits the peer at all of them. */
  *openings(path: PeerPath, guess: Guess): Generator<void> {
    const target = this.context.peers.address(path.peer);
    const openings = this.openingsFor(guess);
    for (let i = 0; i < openings; i++) {
      const socket = this.openSocket(path, guess);
      if (socket === 0) return;
      this.send(path, guess, mappedPortOf(target, 0), socket);
      yield;
    }
  }

  /**
   * Other peers have sockets too, and this one has another of its own. A guess that gets enough of them is whole, and no limit counts as
   * reached.
   */
  private openingsFor({ isWanted }: Guess): number {
    const room = this.pool.roomFor(isWanted);
    return room < FEWEST_OPENINGS ? OPENINGS : Math.min(OPENINGS, room);
  }

  /** Each port once, in random order. */
  *probes(path: PeerPath, guess: Guess): Generator<void> {
    const stride = 2 * Math.floor(randomBetween(this.context.entropy, 0, PORTS / 2)) + 1;
    let at = Math.floor(randomBetween(this.context.entropy, 0, PORTS));
    const seen = new Set<number>();
    while (seen.size < PROBES) {
      at = (at + stride) % PORTS;
      if (seen.has(at)) at = Math.floor(randomBetween(this.context.entropy, 0, PORTS));
      if (seen.has(at)) continue;
      seen.add(at);
      this.send(path, guess, LOWEST_PORT + at, SOCKET.service);
      yield;
    }
  }

  /** From one socket, to each port that the peer's NAT may give to the sockets of its fan. */
  *volley(path: PeerPath, guess: Guess): Generator<void> {
    const { port, step } = guess.peer!;
    for (let round = 0; round < VOLLEYS; round++) {
      for (let i = 0; i < 2 * WINDOW; i++) this.send(path, guess, port + i * step, guess.measuredBy);
      yield* pause();
    }
  }

  /**
   * From a socket for each port that our NAT may give, to two ports of the peer's volley: the middle one, and the first one.
   * Example: the peer's NAT counts one up for each port that the volley goes to, so the middle bubble leaves from the middle port. If its mapping
   * depends on our address only, all of the volley leaves from the first port.
   */
  *fan(path: PeerPath, guess: Guess): Generator<void> {
    const { port, step } = guess.peer!;
    const fan: SocketId[] = [];
    for (let i = 0; i < WINDOW; i++) {
      const local = this.context.preservesPorts ? guess.port + i * guess.step : undefined;
      if (local !== undefined && local > 0xffff) continue;
      const socket = this.openSocket(path, guess, local);
      if (socket === 0) return;
      fan.push(socket);
    }
    for (let round = 0; round < VOLLEYS; round++) {
      for (const to of [port + MIDDLE * step, port]) {
        for (const socket of fan) this.send(path, guess, to, socket);
      }
      yield* pause();
    }
  }

  /** 0: none is left. */
  openSocket(path: PeerPath, guess: Guess, port?: number): SocketId {
    if (!guess.isWanted && !this.pool.hasRoomForStranger(path.peer)) return 0;
    const socket = this.pool.open(path.peer, port);
    if (socket !== 0) guess.sockets.push(socket);
    return socket;
  }

  send(path: PeerPath, guess: Guess, port: number, socket: SocketId): void {
    const target = this.context.peers.address(path.peer);
    const to = port & 0xffff;
    if (to === 0) return;
    guess.sent++;
    this.bubbles.sendGuess(target, mappedAddressOf(target, 0), to, path.nonceReceived, socket);
  }
}

/** Nothing is sent for the bursts of one pause. */
function* pause(): Generator<void> {
  for (let i = 0; i < (VOLLEY_PAUSE_MS / PACE_MS) * BURST; i++) yield;
}
