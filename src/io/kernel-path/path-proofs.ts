import { BUBBLE_HOP_LIMIT } from '../../core/constants.ts';
import type { Entropy } from '../../core/entropy.ts';
import { LimitHits } from '../../core/limit-hits.ts';
import { TokenBuckets } from '../../core/token-buckets.ts';
import type { BucketLimits } from '../../core/token-buckets.ts';
import { WAY } from '../../linux/bpf/layout.ts';
import type { Way } from '../../linux/bpf/layout.ts';
import type { PeerState } from '../../linux/bpf/peer-map.ts';
import { PROOF_NONCE_LENGTH } from '../../linux/bpf/proof-map.ts';
import { buildEchoRequest, formatIpv6 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { CarriedPath } from '../ports.ts';
import { REFUSED, RETRY_UNHEARD_MS, afterFailure, afterSilence, failuresIn } from './proof-history.ts';
import { ProofShares } from './proof-shares.ts';

/**
 * Limit of echo requests to one IPv4 address. An attacker may have invented Teredo peers at the address of a host that did not ask for
 * them.
 */
export const PROOF_LIMITS: BucketLimits = { perSecond: 10, burst: 100 };
/** The same for proofs of paths in use: they have a budget apart, so that new peers keep theirs. */
export const RENEWAL_LIMITS: BucketLimits = { perSecond: 5, burst: 50 };
/** Proofs under way at the same time. A peer for which there is no room tries again after a second. */
export const MOST_PROOFS = 1_024;
/**
 * The most of these that are for paths in use; the rest is for peers without a proven path. When all of them are taken, IPv4 addresses have
 * shares.
 */
const MOST_RENEWALS = MOST_PROOFS / 2;
/** The most of all these for peers at one IPv4 address. */
export const MOST_PROOFS_BY_ADDRESS = 64;
/** When each round of echo requests is sent, in ms after the first. The first round is only the one without a UDP checksum. */
const ROUNDS_MS = [0, 200, 700, 1_300] as const;
const PATIENCE_MS = 2_000;
/** When the limits held back the requests for a path in use, and its peer is not silent: the time until the next try. */
const RENEWAL_AGAIN_MS = 2_000;
/** The time until the next try after the host's own rules refused a datagram. */
const RETRY_REFUSED_MS = 10_000;
/**
 * The delay of the first request of a new path. Meanwhile the packet that caused the proof goes by the socket, and the host's rules may
 * refuse it. A path in use is tried without delay: after silence, its packets go by the process until the peer is heard.
 */
const START_MS = 20;
/**
 * Datagrams of a peer do not reach the socket if it received none for this time although the programs left it samples. UNSEEN_UNITS of the
 * programs.
 */
const UNSEEN_NS = 10e9;
/** The upper limit of that time, however many peers there are: UNSEEN_MOST_UNITS. */
const UNSEEN_MOST_NS = 14e9;
/** Proofs that go on at one timeout, each by some system calls. */
const DUE_AT_ONCE = 64;
/** Identifier of the echo requests. */
const IDENTIFIER = 0x5450;

/** The kernel's table of peers, as far as proofs need it. Times are ms of the clock. */
export interface CarriedPeers {
  /** Undefined if the peer is not in the table. */
  state(peer: Ipv6): CarriedPeer | undefined;
  setWay(peer: Ipv6, way: Way, failures: number, noticeAfterMs: number): void;
  /** Sets the time from which a peer's path in use has to be proven again. */
  renewAt(peer: Ipv6, atMs: number): void;
}

export type CarriedPeer = Pick<
  PeerState,
  'way' | 'failures' | 'address' | 'port' | 'localPort' | 'uplink'
> & {
  readonly lastReceivedMs: number;
};

/** The table in which the programs note the answers. */
export interface ProofAnswers {
  begin(peer: Ipv6, nonce: Uint8Array): boolean;
  answered(peer: Ipv6): Way;
  end(peer: Ipv6): void;
}

interface Proof {
  readonly peer: Ipv6;
  /** The peer's address and path at the beginning of the proof. */
  readonly place: CarriedPeer;
  readonly source: Ipv6;
  readonly nonce: Uint8Array;
  readonly begunAt: number;
  /** When the first round is due. */
  readonly firstAt: number;
  /** False if the proof is a renewed one, of a path in use. */
  readonly isFirst: boolean;
  /** The peer does not answer packets that went by the kernel path. */
  isSilent: boolean;
  /** The ways to try, and those in which a request was sent. */
  readonly ways: readonly Way[];
  readonly asked: Set<Way>;
  /** Number of rounds sent. */
  rounds: number;
  dueAt: number;
}

/**
 * Finds out for each peer whether packets of the kernel path reach it, before the peer's packets are sent that way. An echo request with a
 * nonce goes out by the kernel path, first without a UDP checksum, then also with one. The program that receives the reply records the
 * proof. The first way that is answered is used, so the one without a checksum has the advantage. A peer that answers neither stays on the
 * user path and is tried again after growing intervals. A path in use is proven again from time to time: otherwise a peer that keeps
 * sending, but no longer receives, would pass as reached. adr/0018
 */
export class PathProofs {
  readonly counters = {
    proofsSent: 0,
    proofsAnswered: 0,
    /** The peer was heard meanwhile, but did not answer: the kernel path does not reach it, or it answers no echo requests. */
    proofsFailed: 0,
    /** The same for a path in use: a proof of all ways follows. */
    renewalsFailed: 0,
    /** The peer was not heard at all meanwhile. */
    proofsUnheard: 0,
    proofsSuppressed: 0,
    pathRefused: 0,
  };
  private readonly peers: CarriedPeers;
  private readonly answers: ProofAnswers;
  private readonly send: (packet: Uint8Array, way: Way) => boolean;
  private readonly entropy: Entropy;
  private readonly furthest: Way;
  private readonly hits: LimitHits;
  private readonly budget: TokenBuckets;
  private readonly renewalBudget: TokenBuckets;
  private readonly proofs = new Map<string, Proof>();
  private readonly firsts = new ProofShares(MOST_PROOFS - MOST_RENEWALS);
  private readonly renewals = new ProofShares(MOST_RENEWALS);

  /**
   * `send` sends a packet by the kernel path in the given way; false if that failed. `furthest`: the best way that this kernel supports.
   * `hits` records the addresses at which limits are reached.
   */
  constructor(
    peers: CarriedPeers,
    answers: ProofAnswers,
    send: (packet: Uint8Array, way: Way) => boolean,
    entropy: Entropy,
    furthest: Way = WAY.bare,
    hits = new LimitHits(),
  ) {
    this.peers = peers;
    this.answers = answers;
    this.send = send;
    this.entropy = entropy;
    this.furthest = furthest;
    this.hits = hits;
    this.budget = new TokenBuckets(PROOF_LIMITS, entropy);
    this.renewalBudget = new TokenBuckets(RENEWAL_LIMITS, entropy);
  }

  /**
   * Begins a proof. Either packets from `source` to a peer go by the process and could go by the kernel, or the latest proof of a path in
   * use is old. `isSilent`: the peer has not answered the packets that went by the kernel.
   */
  request(peer: Ipv6, source: Ipv6, now: number, isSilent = false): void {
    const name = formatIpv6(peer);
    const underway = this.proofs.get(name);
    if (underway !== undefined) {
      underway.isSilent ||= isSilent;
      return;
    }
    const place = this.peers.state(peer);
    if (place === undefined) return;
    const { address, way } = place;
    const isFirst = way === WAY.inward || way === WAY.tried;
    const nonce = new Uint8Array(PROOF_NONCE_LENGTH);
    this.entropy.fill(nonce);
    // The first request is paid for now: a proof that may send none takes no room.
    const shares = this.shares(isFirst);
    const mayBegin =
      this.hasShare(place) && this.mayAsk(place, isFirst, now) && this.hasRoom(place, isFirst, now);
    if (!mayBegin || !this.answers.begin(peer, nonce)) {
      if (!isFirst) this.suppress(peer, isFirst, isSilent, now); // else the programs ask again after a second
      return;
    }
    const firstAt = isFirst ? now + START_MS : now;
    this.proofs.set(name, {
      peer: peer.slice(),
      place,
      source: source.slice(),
      nonce,
      begunAt: now,
      firstAt,
      isFirst,
      isSilent,
      ways: isFirst ? this.waysToTry : [way],
      asked: new Set(),
      rounds: 0,
      dueAt: firstAt,
    });
    shares.add(address, name);
  }

  /** The peer has answered a request that was sent by the kernel path. */
  handleAnswer(peer: Ipv6, now: number): void {
    const name = formatIpv6(peer);
    const proof = this.proofs.get(name);
    if (proof === undefined) return;
    const way = this.answers.answered(peer);
    if (way === WAY.inward) return;
    this.counters.proofsAnswered++;
    this.peers.setWay(peer, way, 0, now);
    this.end(name, proof);
  }

  /** The host's own rules have refused a datagram of the socket to this peer: for now, the kernel path sends it none. */
  handleRefusal(peer: Ipv6, now: number): void {
    if (this.peers.state(peer) === undefined) return;
    this.counters.pathRefused++;
    this.drop(peer);
    this.peers.setWay(peer, WAY.inward, REFUSED, now + RETRY_REFUSED_MS);
  }

  /** The peer is no longer carried. */
  drop(peer: Ipv6): void {
    const name = formatIpv6(peer);
    const proof = this.proofs.get(name);
    if (proof !== undefined) this.end(name, proof);
  }

  /** The peer may have another address now. If so, an answer to a request to the old one proves nothing, and the proof ends. */
  handlePlace(peer: Ipv6): void {
    const place = this.proofs.size > 0 ? this.proofs.get(formatIpv6(peer))?.place : undefined;
    if (place === undefined) return;
    const now = this.peers.state(peer);
    const parts = ['address', 'port', 'localPort', 'uplink'] as const;
    const isThere = parts.every((part) => now?.[part] === place[part]);
    if (!isThere) this.drop(peer);
  }

  clear(): void {
    for (const [name, proof] of this.proofs) this.end(name, proof);
  }

  pollTimeout(): number {
    let at = Infinity;
    for (const { dueAt } of this.proofs.values()) at = Math.min(at, dueAt);
    return at;
  }

  /** Of many proofs that are due, some: {@link pollTimeout} is then in the past. */
  handleTimeout(now: number): void {
    let left = DUE_AT_ONCE;
    for (const [name, proof] of this.proofs) {
      if (now < proof.dueAt) continue;
      if (left-- === 0) return;
      this.advance(name, proof, now);
    }
  }

  /** Sends the next round of echo requests, or ends the proof. */
  private advance(name: string, proof: Proof, now: number): void {
    const round = proof.rounds++;
    if (round >= ROUNDS_MS.length) return this.fail(name, proof, now);
    const next = ROUNDS_MS[round + 1] ?? PATIENCE_MS;
    proof.dueAt = proof.firstAt + next;
    if (round === 0) return this.ask(proof, proof.ways[0]!);
    for (const way of proof.ways) if (this.mayAsk(proof.place, proof.isFirst, now)) this.ask(proof, way);
    if (round === 1 && proof.isFirst) this.tryTcp(proof, now);
  }

  /** The best first: the first round tries it alone, and the first answer decides. */
  private get waysToTry(): readonly Way[] {
    return this.furthest === WAY.bare ? [WAY.bare, WAY.checked] : [WAY.checked];
  }

  /** Sends the next new TCP segment to the peer by the kernel path: its acknowledgement is a proof, too. */
  private tryTcp({ peer }: Proof, now: number): void {
    const state = this.peers.state(peer);
    if (state?.way === WAY.inward) this.peers.setWay(peer, WAY.tried, state.failures, now);
  }

  private shares(isFirst: boolean): ProofShares {
    return isFirst ? this.firsts : this.renewals;
  }

  /** Whether the peer's IPv4 address has room for one more. */
  private hasShare({ address }: CarriedPeer): boolean {
    if (this.firsts.of(address) + this.renewals.of(address) < MOST_PROOFS_BY_ADDRESS) return true;
    this.hits.ipv4('proofs', address);
    return false;
  }

  /** Takes the right to one request of the limit of the peer's IPv4 address. */
  private mayAsk({ address }: CarriedPeer, isFirst: boolean, now: number): boolean {
    if ((isFirst ? this.budget : this.renewalBudget).take(address, 0, now)) return true;
    this.hits.ipv4('proofs', address);
    this.counters.proofsSuppressed++;
    return false;
  }

  /** When all places are taken, the IPv4 address with most proofs gives up its oldest one, unless this address has about as many. */
  private hasRoom({ address }: CarriedPeer, isFirst: boolean, now: number): boolean {
    const shares = this.shares(isFirst);
    if (!shares.isFull) return true;
    const name = shares.oldestForAnother(address);
    if (name === undefined) {
      this.hits.others('proofs', 1);
      return false;
    }
    const proof = this.proofs.get(name)!;
    this.hits.ipv4('proofs', proof.place.address);
    this.counters.proofsSuppressed++;
    this.end(name, proof);
    this.suppress(proof.peer, isFirst, proof.isSilent, now);
    return true;
  }

  /**
   * No request could be sent, so the state of the path is unknown. A path in use stays in use and is tried again soon. Packets to a silent peer
   * take the user path, which is slower, but loses nothing.
   */
  private suppress(peer: Ipv6, isFirst: boolean, isSilent: boolean, now: number): void {
    const state = this.peers.state(peer);
    if (state === undefined) return;
    if (isFirst || isSilent) this.peers.setWay(peer, WAY.inward, state.failures, now + RETRY_UNHEARD_MS);
    else this.peers.renewAt(peer, now + RENEWAL_AGAIN_MS);
  }

  private ask({ peer, source, nonce, asked }: Proof, way: Way): void {
    const data = new Uint8Array(PROOF_NONCE_LENGTH + 1);
    data.set(nonce);
    data[PROOF_NONCE_LENGTH] = way;
    const request = buildEchoRequest({
      source,
      destination: peer,
      hopLimit: BUBBLE_HOP_LIMIT,
      identifier: IDENTIFIER,
      sequence: way,
      data,
    });
    if (!this.send(request, way)) return;
    this.counters.proofsSent++;
    asked.add(way);
  }

  private fail(name: string, proof: Proof, now: number): void {
    const { peer, begunAt, isFirst, isSilent, ways, asked } = proof;
    // The notice of an answer may have been dropped for lack of room.
    if (this.answers.answered(peer) !== WAY.inward) return this.handleAnswer(peer, now);
    this.end(name, proof);
    const state = this.peers.state(peer);
    if (state === undefined) return;
    const isHeard = state.lastReceivedMs >= begunAt;
    if (asked.size < ways.length && (isHeard || asked.size === 0))
      return this.suppress(peer, isFirst, isSilent, now);
    if (isHeard && !isFirst) {
      this.counters.renewalsFailed++;
      this.peers.setWay(peer, WAY.inward, 0, now);
      return;
    }
    this.counters[isHeard ? 'proofsFailed' : 'proofsUnheard']++;
    const next = isHeard ? afterFailure(state.failures) : afterSilence(state.failures);
    this.peers.setWay(peer, WAY.inward, next.history, now + next.afterMs);
  }

  private end(name: string, { peer, place: { address }, isFirst }: Proof): void {
    this.proofs.delete(name);
    this.shares(isFirst).remove(address, name);
    this.answers.end(peer);
  }
}

/** Converts to the port's type. `now`: ns, on the clock of the entry's times. `stretch`: config.stretch of the programs. */
export function carriedPath(state: PeerState, now: number, stretch = 1): CarriedPath {
  const unseen = Math.min(UNSEEN_NS * stretch, UNSEEN_MOST_NS);
  const { socketHeardAgo } = state;
  if (socketHeardAgo >= unseen && socketHeardAgo - (now - state.lastReceived) >= unseen / 2)
    return { way: 'none', reason: 'unseen' };
  if (state.way === WAY.checked || state.way === WAY.bare) return { way: 'both' };
  if (state.failures === REFUSED) return { way: 'inward', reason: 'refused' };
  return { way: 'inward', reason: failuresIn(state.failures) > 0 ? 'unanswered' : 'unproven' };
}
