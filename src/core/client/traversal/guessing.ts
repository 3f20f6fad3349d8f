import { randomUint32 } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import { TokenBuckets } from '../../token-buckets.ts';
import { acceptAdvertisement } from '../ask/advertisement.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext } from '../context.ts';
import type { ContactProgress } from '../status.ts';
import { Solicitation } from '../ask/solicitation.ts';
import { mappedAddressOf } from '../../../wire/index.ts';
import type { GuessTrailer, Ipv4, PortHabit } from '../../../wire/index.ts';
import { MAX_STEP, portHabit } from './guess.ts';
import type { Guess, Guesses } from './guess.ts';
import { BURST, MIDDLE, PACE_MS, WINDOW } from './guess-shots.ts';
import type { GuessShots } from './guess-shots.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPaths } from './peer-paths.ts';
import type { SocketPool } from './socket-pool.ts';

/** The limits count in guesses of so many probes; volley or fan are 96 bubbles, with some questions before them. */
const COUNTING_COST = 0.25;
/** What is lost of the word between the two is repeated. */
const [ASKS, ASK_MS] = [4, 1_000];
/** The other side opens its NAT meanwhile. */
const HEAD_START_MS = 400;
/** Then the sockets that were not hit are closed. */
const LIFETIME_MS = 8_000;
/** And if one was hit, after this: two may be at once, of which each side takes another. */
const CHOICE_MS = 900;
const TOKEN_BUCKETS = 1_024;
/** Indirect bubbles in answer to who has not shown our token yet. An honest peer needs one; others may speak in its name meanwhile. */
const MOST_ANSWERS = 64;

/**
 * Guessing of ports, for two clients of ours whose NATs RFC 6081 does not get through (docs/adr/0016). By trailers of bubbles through
 * their servers they tell each other what their NATs do, and show that each wants it; then
 *
 *     random ports with a stable mapping   the one opens its NAT by 256 sockets, the other tries 1,700 of its ports: a birthday
 *     counting with counting               each measures its next port, and both send to where the other will be at once
 *
 * Random ports with anything but a stable mapping would take tens of thousands of packets: not done.
 */
export class Guessing {
  private readonly context: ClientContext;
  private readonly paths: PeerPaths;
  private readonly ports: SocketPool;
  private readonly peerBubbles: PeerBubbles;
  private readonly shots: GuessShots;
  private readonly guesses: Guesses;
  private readonly all: TokenBuckets;
  private readonly byStrangers: TokenBuckets;
  private readonly byAddress: TokenBuckets;

  constructor(
    context: ClientContext,
    paths: PeerPaths,
    ports: SocketPool,
    peerBubbles: PeerBubbles,
    shots: GuessShots,
    guesses: Guesses,
  ) {
    this.shots = shots;
    this.context = context;
    this.paths = paths;
    this.ports = ports;
    this.peerBubbles = peerBubbles;
    this.guesses = guesses;
    this.all = new TokenBuckets(context.limits.guesses, context.entropy, 1);
    const { perSecond, burst } = context.limits.guesses;
    const half = { perSecond: perSecond / 2, burst: Math.ceil(burst / 2) };
    this.byStrangers = new TokenBuckets(half, context.entropy, 1);
    this.byAddress = new TokenBuckets(context.limits.guessesByAddress, context.entropy, TOKEN_BUCKETS);
  }

  /** What our NAT does with ports. */
  get habit(): PortHabit {
    return portHabit(this.context);
  }

  /** The peer's trailer has come, by way of our server. */
  handle(peer: number, trailer: GuessTrailer, isWanted: boolean, now: number): void {
    const path = this.paths.provide(peer);
    const isNews = path.habit === undefined;
    path.habit = trailer.habit;
    if (!canMeet(this.habit, trailer.habit)) {
      if (!isHopeless(this.habit, trailer.habit)) return;
      if (isNews) this.ask(peer, now); // it should know too
      this.peerBubbles.askMeetingRelay(peer, now);
      return;
    }
    const guess = this.offer(peer, isWanted, now);
    if (guess.isOver) return;
    guess.heard = trailer.token;
    if (trailer.echo !== guess.token) {
      if (guess.answers++ < MOST_ANSWERS) this.ask(peer, now);
      else this.context.hits.ipv4('guesses', this.addressOf(peer));
      return;
    }
    const isNew = guess.peer?.token !== trailer.token;
    if (isNew && guess.agreed) {
      this.end(peer); // the peer has begun anew: its ports are others by now
      this.offer(peer, guess.isWanted, now).heard = trailer.token;
      this.ask(peer, now);
      return;
    }
    guess.peer = trailer;
    if (isNew) this.ask(peer, now);
    if (!guess.agreed) this.begin(peer, guess, now);
    else this.aim(peer, guess, now);
  }

  /** Whether an indirect bubble counts: who has agreed shows our token, until the guess is over. */
  admits(peer: number, trailer: GuessTrailer | undefined): boolean {
    const guess = this.guesses.get(peer);
    return guess === undefined || !guess.agreed || trailer?.echo === guess.token;
  }

  /** Whether it shows our token. */
  echoedOurToken(peer: number, trailer: GuessTrailer | undefined): boolean {
    const guess = this.guesses.get(peer);
    return guess !== undefined && trailer?.echo === guess.token;
  }

  /** Of a socket that a guess has opened; false where none is waited for. */
  handleAdvertisement(peer: number, received: ReceivedAdvertisement): boolean {
    const guess = this.guesses.get(peer);
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
    this.ask(peer, received.now);
    this.aim(peer, guess, received.now);
    return true;
  }

  /**
   * Whether a bubble that shows our nonce on a socket of a guess has come by a way that goes back, too. A NAT that lets everybody in hears all of
   * the other's fan or volley, of which but one bubble went to where ours comes from: that one the fan knows by its port, and tells the volley.
   */
  isTwoWay(peer: number, socket: SocketId, port: number, trailer: GuessTrailer | undefined): boolean {
    const guess = this.guesses.get(peer);
    if (guess?.isOver !== false) return true;
    const isAimed = guess.shots !== undefined && this.habit === 'counting' && guess.sockets.includes(socket);
    if (!isAimed) return true;
    const first = guess.peer!.port;
    if (!this.isFirst(peer)) {
      if (port === ((first + MIDDLE * guess.peer!.step) & 0xffff)) return true;
      if (port !== first) return false;
      // All of the volley has this port, or only its first bubble.
      guess.firstBy ??= socket;
      return guess.firstBy !== socket;
    }
    if (trailer?.echo === guess.token) return true;
    if (guess.replies-- > 0) this.shots.send(peer, guess, port, socket);
    return false;
  }

  handleTimeout(now: number): void {
    for (const [peer, guess] of this.guesses) {
      if (now >= guess.endsAt) this.end(peer);
      else {
        if (now >= guess.askAt) this.askAgain(peer, guess, now);
        if (now >= guess.nextAt) this.shoot(guess, now);
      }
    }
  }

  /** All else has failed so far: the next indirect bubbles say that we would guess. */
  offer(peer: number, isWanted: boolean, now: number): Guess {
    const guess = this.guesses.get(peer) ?? this.open(peer, isWanted, now);
    guess.isWanted ||= isWanted;
    return guess;
  }

  /** How far it has come with this peer, for whoever looks on. */
  progressOf(peer: number): Pick<ContactProgress, 'guess' | 'guessesSent'> {
    const guess = this.guesses.get(peer);
    const guessesSent = guess?.sent ?? 0;
    if (guess?.agreed === true) return { guess: 'agreed', guessesSent };
    const habit = this.paths.get(peer)?.habit;
    if (habit !== undefined && isHopeless(this.habit, habit)) return { guess: 'hopeless', guessesSent };
    return { guess: guess === undefined ? 'none' : 'offered', guessesSent };
  }

  /**
   * The peer is reached by this socket. It may have chosen another of ours: they stay for a while, though nothing more is sent. Whether it is by
   * a guess: behind a NAT that lets everybody in, what comes by another socket than those opened for it says nothing of the way back.
   */
  settle(peer: number, socket: SocketId, now: number): boolean {
    const guess = this.guesses.get(peer);
    if (guess?.shots === undefined) return false;
    if (guess.sockets.length > 0 && !guess.sockets.includes(socket)) return false;
    if (!guess.isOver) {
      guess.endsAt = Math.min(guess.endsAt, now + CHOICE_MS);
      // Who has answered may be looked for again when its NAT loses the mapping.
      this.byAddress.give(this.addressOf(peer), 0, now, this.cost);
    }
    guess.isOver = true;
    guess.nextAt = Infinity;
    return true;
  }

  /** Whether one of the sockets that a guess has opened may turn out to be the right one, though the peer is reached. */
  isUnderway(peer: number): boolean {
    return this.guesses.get(peer)?.shots !== undefined;
  }

  /** One of a guess's sockets could not be opened: it goes on with the others. */
  handleFailure(peer: number, socket: SocketId): void {
    const sockets = this.guesses.get(peer)?.sockets ?? [];
    if (sockets.includes(socket)) sockets.splice(sockets.indexOf(socket), 1);
    this.ports.close(peer, socket);
  }

  /** The peer is heard where it is sent to, or forgotten: the sockets that are of no use are closed. */
  end(peer: number): void {
    const guess = this.guesses.get(peer);
    if (guess === undefined) return;
    this.guesses.delete(peer);
    const kept = this.paths.get(peer)?.ownSocket;
    for (const socket of guess.sockets) if (socket !== kept) this.ports.close(peer, socket);
  }

  /** All of them are over. */
  clear(): void {
    for (const peer of this.guesses.keys()) this.end(peer);
  }

  pollTimeout(): number {
    let at = Infinity;
    for (const { nextAt, askAt, endsAt } of this.guesses.values()) at = Math.min(at, nextAt, askAt, endsAt);
    return at;
  }

  /** An indirect bubble, with the guess trailer. */
  private ask(peer: number, now: number): void {
    this.peerBubbles.sendIndirect(peer, this.context.peers.address(peer), now);
  }

  private open(peer: number, isWanted: boolean, now: number): Guess {
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
    this.guesses.set(peer, guess);
    return guess;
  }

  /** Both want it, and both are where their servers say. */
  private begin(peer: number, guess: Guess, now: number): void {
    if (!this.isAffordable(peer, guess, now)) {
      this.context.counters.suppressedGuesses++;
      return;
    }
    guess.agreed = true;
    guess.endsAt = now + LIFETIME_MS;
    guess.askAt = now + ASK_MS;
    if (this.habit === 'counting') {
      this.measure(peer, guess, now);
      return;
    }
    guess.shots = this.habit === 'stable' ? this.shots.probes(peer, guess) : this.shots.openings(peer, guess);
    guess.nextAt = this.habit === 'stable' ? now + HEAD_START_MS : now;
    if (guess.nextAt <= now) this.shoot(guess, now);
  }

  private askAgain(peer: number, guess: Guess, now: number): void {
    guess.askAt = --guess.asksLeft > 0 && !guess.isOver ? now + ASK_MS : Infinity;
    if (guess.isOver) return;
    if (guess.measuring !== undefined) this.measure(peer, guess, now);
    else this.ask(peer, now);
  }

  /** One that is put off takes from none of the limits. */
  private isAffordable(peer: number, { isWanted }: Guess, now: number): boolean {
    const address = this.addressOf(peer);
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

  /** Of a guess, in those that the limits count. */
  private get cost(): number {
    return this.habit === 'counting' ? COUNTING_COST : 1;
  }

  private addressOf(peer: number): Ipv4 {
    return mappedAddressOf(this.context.peers.address(peer), 0);
  }

  /** From a new socket, so that the NAT gives a port for each question. */
  private measure(peer: number, guess: Guess, now: number): void {
    const { context } = this;
    const socket = this.shots.openSocket(peer, guess);
    if (socket === 0) return;
    guess.measuredBy = socket;
    guess.port = guess.step = 0;
    const { primary, secondary } = context.server!;
    const ask = (target: number): Solicitation =>
      new Solicitation(context, socket, context.qualified!.server, target, false, now);
    guess.measuring = [ask(primary), ask(secondary ?? primary)];
  }

  /** Both have measured. */
  private aim(peer: number, guess: Guess, now: number): void {
    const isReady = guess.measuring === undefined && guess.port !== 0;
    if (!isReady || guess.shots !== undefined || guess.peer === undefined || guess.peer.port === 0) return;
    guess.shots = this.isFirst(peer) ? this.shots.volley(peer, guess) : this.shots.fan(peer, guess);
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

  /** Which of the two sends the volley: both know, by their addresses. */
  private isFirst(peer: number): boolean {
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

/** Random ports against ports that are not stable: no number of guesses that anybody would want to send is enough. */
function isHopeless(a: PortHabit, b: PortHabit): boolean {
  return (a === 'random' && b !== 'stable') || (b === 'random' && a !== 'stable');
}
