import { randomUint32 } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import { derivedLimits } from '../../live-limits.ts';
import { TokenBuckets } from '../../token-buckets.ts';
import { acceptAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import type { ContactProgress } from '../status.ts';
import { Solicitation } from '../ask/solicitation.ts';
import { mappedAddressOf } from '../../../wire/index.ts';
import type { GuessTrailer, Ipv4, PortHabit } from '../../../wire/index.ts';
import type { CausedRounds } from './caused-rounds.ts';
import { MAX_STEP, portHabit } from './guess.ts';
import type { Guess, Guesses } from './guess.ts';
import { BURST, MIDDLE, PACE_MS, WINDOW } from './guess-shots.ts';
import type { GuessShots } from './guess-shots.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath, Place } from './peer-path.ts';
import type { SocketPool } from './socket-pool.ts';

/** The limits count guesses of 1,700 probes. Volley or fan are 96 bubbles, after some questions. */
const COUNTING_COST = 0.25;
/** Lost negotiation bubbles are repeated. */
const [ASKS, ASK_MS] = [4, 1_000];
/** The other side opens its NAT meanwhile. */
const HEAD_START_MS = 400;
/** After this the sockets that were not hit are closed. */
const LIFETIME_MS = 8_000;
/** If one was hit, after this: two may be hit at once, and each side takes another one. */
const CHOICE_MS = 900;
const TOKEN_BUCKETS = 1_024;
/** Indirect bubbles in answer to trailers without our token. An honest peer needs one; others may send in its name meanwhile. */
const MOST_ANSWERS = 64;

interface Parts {
  readonly caused: CausedRounds;
  readonly guesses: Guesses;
  readonly peerBubbles: PeerBubbles;
  readonly pool: SocketPool;
  readonly shots: GuessShots;
}

/**
 * Guessing of ports, between two clients of this implementation whose NATs RFC 6081 does not get through (docs/adr/0016). In trailers of bubbles
 * through their servers they tell each other the habits of their NATs, and that each wants to guess. Then
 *
 *     random ports with a stable mapping   one opens its NAT by 256 sockets, the other tries 1,700 of its ports: a birthday
 *     counting with counting               each measures its next port, and both send to the other's predicted ports at once
 *
 * Random ports with anything but a stable mapping would take tens of thousands of packets: not done.
 */
export class Guessing {
  private readonly context: ClientContext;
  private readonly pool: SocketPool;
  private readonly peerBubbles: PeerBubbles;
  private readonly shots: GuessShots;
  private readonly guesses: Guesses;
  private readonly caused: CausedRounds;
  private readonly all: TokenBuckets;
  private readonly byStrangers: TokenBuckets;
  private readonly byAddress: TokenBuckets;

  constructor(context: ClientContext, { pool, peerBubbles, shots, guesses, caused }: Parts) {
    this.shots = shots;
    this.caused = caused;
    this.context = context;
    this.pool = pool;
    this.peerBubbles = peerBubbles;
    this.guesses = guesses;
    this.all = new TokenBuckets(context.limits.guesses, context.entropy, 1);
    const half = derivedLimits(context.limits.guesses, ({ perSecond, burst }) => ({
      perSecond: perSecond / 2,
      burst: Math.ceil(burst / 2),
    }));
    this.byStrangers = new TokenBuckets(half, context.entropy, 1);
    this.byAddress = new TokenBuckets(context.limits.guessesByAddress, context.entropy, TOKEN_BUCKETS);
  }

  /** The way in which our NAT assigns ports. */
  get habit(): PortHabit {
    return portHabit(this.context);
  }

  /** The peer's trailer has come through our server. */
  handle(path: PeerPath, trailer: GuessTrailer, isWanted: boolean, now: number): void {
    const isNews = path.habit === undefined;
    path.habit = trailer.habit;
    if (!canMeet(this.habit, trailer.habit)) {
      if (!isHopeless(this.habit, trailer.habit)) return;
      if (isNews) this.ask(path, now); // the peer should know ours too
      this.peerBubbles.askMeetingRelay(path, now);
      return;
    }
    const guess = this.accept(path, isWanted, now);
    if (guess === undefined || guess.isOver) return;
    guess.heard = trailer.token;
    if (trailer.echo !== guess.token) {
      if (guess.answers++ < MOST_ANSWERS) this.ask(path, now);
      else this.context.hits.ipv4('guesses', this.addressOf(path));
      return;
    }
    const isNew = guess.peer?.token !== trailer.token;
    if (isNew && guess.agreed) {
      this.restart(path, guess, trailer, now);
      return;
    }
    guess.peer = trailer;
    if (isNew) this.ask(path, now);
    if (!guess.agreed) this.begin(path, guess, now);
    else this.aim(path, guess, now);
  }

  /** Whether an indirect bubble counts: a peer that has agreed echoes our token until the guess is over. */
  admits(path: PeerPath, trailer: GuessTrailer | undefined): boolean {
    const guess = this.guesses.get(path);
    return guess === undefined || !guess.agreed || trailer?.echo === guess.token;
  }

  /** Whether an indirect bubble echoes our token, so that only the peer can have sent it. */
  echoedOurToken(path: PeerPath, trailer: GuessTrailer | undefined): boolean {
    const guess = this.guesses.get(path);
    return guess !== undefined && trailer?.echo === guess.token;
  }

  /** An advertisement on a socket of the peer. Whether a guess measures its next port now. */
  handleAdvertisement(path: PeerPath, received: ReceivedAdvertisement): boolean {
    const guess = this.guesses.get(path);
    if (guess?.measuring === undefined) return false;
    const accepted = acceptAdvertisement(this.context, guess.measuring, received);
    if (accepted === undefined) return true;
    const { port } = accepted.answer.origin;
    if (accepted.solicitation === guess.measuring[0]) guess.step = port;
    else guess.port = port;
    if (guess.step === 0 || guess.port === 0) return true;
    guess.measuring = undefined;
    guess.step = Math.max(1, Math.min(MAX_STEP, (guess.port - guess.step) & 0xffff));
    guess.port = (guess.port + guess.step) & 0xffff;
    this.ask(path, received.now);
    this.aim(path, guess, received.now);
    return true;
  }

  /**
   * Whether a bubble that shows our nonce at this place has come by a way that leads back too.
   * Example: our NAT admits packets from everywhere, so we hear all of the peer's fan or volley. Only one bubble went to where ours comes from. The
   * side with the fan knows it by its port, and tells the side with the volley.
   */
  isTwoWay(path: PeerPath, { port, socket }: Place, trailer: GuessTrailer | undefined): boolean {
    const guess = this.guesses.get(path);
    if (guess?.isOver !== false) return true;
    const isAimed = guess.shots !== undefined && this.habit === 'counting' && guess.sockets.includes(socket);
    if (!isAimed) return true;
    const first = guess.peer!.port;
    if (!this.isFirst(path)) {
      if (port === ((first + MIDDLE * guess.peer!.step) & 0xffff)) return true;
      if (port !== first) return false;
      // Either all of the volley comes from this port, or only its first bubble: the second one that comes decides.
      guess.firstBy ??= socket;
      return guess.firstBy !== socket;
    }
    if (trailer?.echo === guess.token) return true;
    if (guess.replies-- > 0) this.shots.send(path, guess, port, socket);
    return false;
  }

  handleTimeout(now: number): void {
    for (const [path, guess] of this.guesses) {
      if (now >= guess.endsAt) this.end(path);
      else {
        if (now >= guess.askAt) this.askAgain(path, guess, now);
        if (now >= guess.nextAt) this.shoot(guess, now);
      }
    }
  }

  /** All else has failed so far: the next indirect bubbles offer a guess. */
  offer(path: PeerPath, isWanted: boolean, now: number): Guess {
    const guess = this.guesses.get(path) ?? this.open(path, isWanted, now);
    guess.isWanted ||= isWanted;
    return guess;
  }

  /** The guess that the peer offers: the one under way, or a new one; undefined where the peer has begun too many in vain. */
  private accept(path: PeerPath, isWanted: boolean, now: number): Guess | undefined {
    if (!this.guesses.has(path) && !this.caused.takeGuess(path, now)) return undefined;
    return this.offer(path, isWanted, now);
  }

  /** The peer has started again: its ports have changed. */
  private restart(path: PeerPath, { isWanted }: Guess, { token }: GuessTrailer, now: number): void {
    this.end(path);
    const guess = this.accept(path, isWanted, now);
    if (guess === undefined) return;
    guess.heard = token;
    this.ask(path, now);
  }

  /** How far the guess with this peer has come, for status. */
  progressOf(path: PeerPath | undefined): Pick<ContactProgress, 'guess' | 'guessesSent'> {
    const guess = path === undefined ? undefined : this.guesses.get(path);
    const guessesSent = guess?.sent ?? 0;
    if (guess?.agreed === true) return { guess: 'agreed', guessesSent };
    const habit = path?.habit;
    if (habit !== undefined && isHopeless(this.habit, habit)) return { guess: 'hopeless', guessesSent };
    return { guess: guess === undefined ? 'none' : 'offered', guessesSent };
  }

  /**
   * The peer is reached by this socket. Whether a guess has found it. The peer may have chosen another of our sockets: they stay open for a while,
   * though no more bubbles are sent. A socket that the guess has not opened says nothing about the way back: our NAT may admit all packets to it.
   */
  settle(path: PeerPath, socket: SocketId, now: number): boolean {
    const guess = this.guesses.get(path);
    if (guess?.shots === undefined) return false;
    if (guess.sockets.length > 0 && !guess.sockets.includes(socket)) return false;
    if (!guess.isOver) {
      guess.endsAt = Math.min(guess.endsAt, now + CHOICE_MS);
      // A peer that has answered may have to be guessed again when its NAT loses the mapping.
      this.byAddress.give(this.addressOf(path), 0, now, this.cost);
    }
    guess.isOver = true;
    guess.nextAt = Infinity;
    return true;
  }

  /** Whether one of the sockets that a guess has opened may turn out to be the right one, though the peer is reached. */
  isUnderway(path: PeerPath): boolean {
    return this.guesses.get(path)?.shots !== undefined;
  }

  /** One of a guess's sockets could not be opened: the guess continues with the others. */
  handleFailure(path: PeerPath, socket: SocketId): void {
    const sockets = this.guesses.get(path)?.sockets ?? [];
    if (sockets.includes(socket)) sockets.splice(sockets.indexOf(socket), 1);
    this.pool.close(path.peer, socket);
  }

  /** The peer is heard at its place, or the guess has failed: all sockets but the one in use are closed. */
  end(path: PeerPath): void {
    if (this.guesses.size > 0) this.close(path, path.ownSocket);
  }

  /** The peer is forgotten. */
  drop(path: PeerPath): void {
    this.close(path, SOCKET.service);
  }

  /** All of them are over. */
  clear(): void {
    for (const path of this.guesses.keys()) this.end(path);
  }

  pollTimeout(): number {
    let at = Infinity;
    for (const { nextAt, askAt, endsAt } of this.guesses.values()) at = Math.min(at, nextAt, askAt, endsAt);
    return at;
  }

  /** Closes the sockets of the guess with this peer, except for one. */
  private close(path: PeerPath, kept: SocketId): void {
    const guess = this.guesses.get(path);
    if (guess === undefined) return;
    this.guesses.delete(path);
    for (const socket of guess.sockets) if (socket !== kept) this.pool.close(path.peer, socket);
  }

  /** An indirect bubble, with the guess trailer. */
  private ask(path: PeerPath, now: number): void {
    this.peerBubbles.sendIndirect(path, now);
  }

  private open(path: PeerPath, isWanted: boolean, now: number): Guess {
    const guess: Guess = {
      token: randomUint32(this.context.entropy) || 1,
      endsAt: now + LIFETIME_MS,
      isOver: false,
      isWanted,
      heard: 0,
      peer: undefined,
      answers: 0,
      agreed: false,
      port: 0,
      step: 0,
      measuredBy: 0,
      measuring: undefined,
      firstBy: undefined,
      replies: 2 * WINDOW,
      askAt: Infinity,
      asksLeft: ASKS,
      sent: 0,
      shots: undefined,
      nextAt: Infinity,
      sockets: [],
    };
    this.guesses.set(path, guess);
    return guess;
  }

  /** Both sides want it, and both are at the addresses that their servers see. */
  private begin(path: PeerPath, guess: Guess, now: number): void {
    if (!this.isAffordable(path, guess, now)) {
      this.context.counters.suppressedGuesses++;
      return;
    }
    guess.agreed = true;
    guess.endsAt = now + LIFETIME_MS;
    guess.askAt = now + ASK_MS;
    if (this.habit === 'counting') {
      this.measure(path, guess, now);
      return;
    }
    guess.shots = this.habit === 'stable' ? this.shots.probes(path, guess) : this.shots.openings(path, guess);
    guess.nextAt = this.habit === 'stable' ? now + HEAD_START_MS : now;
    if (guess.nextAt <= now) this.shoot(guess, now);
  }

  private askAgain(path: PeerPath, guess: Guess, now: number): void {
    guess.askAt = --guess.asksLeft > 0 && !guess.isOver ? now + ASK_MS : Infinity;
    if (guess.isOver) return;
    if (guess.measuring !== undefined) this.measure(path, guess, now);
    else this.ask(path, now);
  }

  /** Takes from the limits, unless one of them is reached. */
  private isAffordable(path: PeerPath, { isWanted }: Guess, now: number): boolean {
    const address = this.addressOf(path);
    const limits: [TokenBuckets, number][] = [
      [this.byAddress, address],
      [this.all, 0],
    ];
    if (!isWanted) limits.push([this.byStrangers, 0]);
    const { cost } = this;
    const reached = limits.find(([buckets, key]) => !buckets.has(key, 0, now, cost));
    if (reached !== undefined) {
      this.context.hits.ipv4(reached[0] === this.byAddress ? 'guesses-by-address' : 'guesses', address);
      return false;
    }
    for (const [buckets, key] of limits) buckets.take(key, 0, now, cost);
    return true;
  }

  /** Of a guess, in the unit of the limits. */
  private get cost(): number {
    return this.habit === 'counting' ? COUNTING_COST : 1;
  }

  private addressOf({ peer }: PeerPath): Ipv4 {
    return mappedAddressOf(this.context.peers.address(peer), 0);
  }

  /** From a new socket, so that the NAT assigns a new port for each question. */
  private measure(path: PeerPath, guess: Guess, now: number): void {
    const { context } = this;
    const socket = this.shots.openSocket(path, guess);
    if (socket === 0) return;
    guess.measuredBy = socket;
    guess.port = guess.step = 0;
    const { primary, secondary } = context.server!;
    const ask = (target: number): Solicitation =>
      new Solicitation(context, { socket, server: context.qualified!.server, target }, now);
    guess.measuring = [ask(primary), ask(secondary ?? primary)];
  }

  /** Begins the volley or the fan once both sides have measured. */
  private aim(path: PeerPath, guess: Guess, now: number): void {
    const isReady = guess.measuring === undefined && guess.port !== 0;
    if (!isReady || guess.shots !== undefined || guess.peer === undefined || guess.peer.port === 0) return;
    guess.shots = this.isFirst(path) ? this.shots.volley(path, guess) : this.shots.fan(path, guess);
    this.shoot(guess, now);
  }

  private shoot(guess: Guess, now: number): void {
    guess.nextAt = now + PACE_MS;
    for (let i = 0; i < BURST; i++) {
      if (guess.shots?.next().done !== false) {
        guess.nextAt = Infinity;
        return;
      }
    }
  }

  /** Whether this side sends the volley: the one with the lower address does. */
  private isFirst({ peer }: PeerPath): boolean {
    const [own, other] = [this.context.address!, this.context.peers.address(peer)];
    const at = own.findIndex((byte, i) => byte !== other[i]);
    return own[at]! < other[at]!;
  }
}

/** Whether two NATs can be brought together by guessing. */
function canMeet(a: PortHabit, b: PortHabit): boolean {
  if (a === 'counting' && b === 'counting') return true;
  return (a === 'random' && b === 'stable') || (a === 'stable' && b === 'random');
}

/** Random ports against ports that are not stable: no reasonable number of guesses is enough. */
function isHopeless(a: PortHabit, b: PortHabit): boolean {
  return (a === 'random' && b !== 'stable') || (b === 'random' && a !== 'stable');
}
