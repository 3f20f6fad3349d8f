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

/** Echo requests to each IPv4 address: a Teredo peer may be one that somebody else invented there. */
export const PROOF_LIMITS: BucketLimits = { perSecond: 10, burst: 100 };
/** The same for peers whose path is proven again: they leave the others theirs. */
export const RENEWAL_LIMITS: BucketLimits = { perSecond: 5, burst: 50 };
/** Proofs under way at the same time. A peer that finds no room asks again after a second. */
export const MOST_PROOFS = 1_024;
/** Of these, of paths that are proven again; the rest is for those of peers that have no proven path. Where they are all taken IPv4 addresses have shares. */
const MOST_RENEWALS = MOST_PROOFS / 2;
/** Of all these, with peers at one IPv4 address. */
export const MOST_PROOFS_BY_ADDRESS = 64;
/** When each round of echo requests goes out, ms after the first; the first round is without a UDP checksum only. */
const ROUNDS_MS = [0, 200, 700, 1_300] as const;
const PATIENCE_MS = 2_000;
/** So soon the path of a peer that is not silent is asked for again where limits have held the request back. */
const RENEWAL_AGAIN_MS = 2_000;
/** So long after a refusal of the host's own rules. */
const RETRY_REFUSED_MS = 10_000;
/**
 * The first request of a new path waits so long: meanwhile the packet that asked for it goes by the socket, and the host may refuse that. That
 * of a path in use does not wait: after silence, packets go by the process until the peer is heard.
 */
const START_MS = 20;
/** What the socket has not received for so long, though the programs have left it some, does not reach it. UNSEEN_UNITS of the programs. */
const UNSEEN_NS = 10e9;
/** UNSEEN_MOST_UNITS: with however many peers. */
const UNSEEN_MOST_NS = 14e9;
/** Identifier of the echo requests. */
const IDENTIFIER = 0x5450;

/** The kernel's table of peers, as far as proofs need it. Times are ms of the clock. */
export interface CarriedPeers {
  /** Undefined where the peer is not in it. */
  state(peer: Ipv6): CarriedPeer | undefined;
  setWay(peer: Ipv6, way: Way, failures: number, noticeAfterMs: number): void;
  /** The path in use of a peer is to be proven again from that time on. */
  renewAt(peer: Ipv6, atMs: number): void;
}

export type CarriedPeer = Pick<PeerState, 'way' | 'failures' | 'address' | 'port' | 'uplink'> & {
  readonly lastReceivedMs: number;
};

/** Where the programs look up answers. */
export interface ProofAnswers {
  begin(peer: Ipv6, nonce: Uint8Array): boolean;
  answered(peer: Ipv6): Way;
  end(peer: Ipv6): void;
}

interface Proof {
  readonly peer: Ipv6;
  /** As the peer was when it began. */
  readonly place: CarriedPeer;
  readonly source: Ipv6;
  readonly nonce: Uint8Array;
  readonly begunAt: number;
  /** When the first round is due. */
  readonly firstAt: number;
  /** Not of a path that is in use, which is proven again. */
  readonly isFirst: boolean;
  /** The peer does not answer what this path sends. */
  isSilent: boolean;
  /** Those that it needs, and those of them in which a request has gone out. */
  readonly ways: readonly Way[];
  readonly asked: Set<Way>;
  /** Rounds sent. */
  rounds: number;
  dueAt: number;
}

/**
 * Finds out for each peer whether what the kernel path sends arrives there, before the peer's packets are sent that way: an echo request with a
 * nonce goes out by the kernel path, once without a UDP checksum, then with one too, and the program that receives the reply takes
 * it for the proof. The first way that is answered is used: without a checksum where that arrives. A peer that answers neither
 * stays with the process and is asked again after growing intervals. While a way is used it is proven again from time to
 * time: a peer that sends by itself would else be believed to receive. adr/0018
 */
export class PathProofs {
  readonly counters = {
    proofsSent: 0,
    proofsAnswered: 0,
    /** The peer was heard meanwhile, but did not answer: the kernel path does not reach it, or it answers no echo requests. */
    proofsFailed: 0,
    /** The same of a path in use: the peer is asked for a new proof of all ways. */
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
   * `send` has a packet sent by the kernel path, in such a datagram; false where that could not be done. `furthest`: the way that this kernel can go.
   * `hits` gets the addresses at which limits are reached.
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
   * Packets from `source` to a peer go by the process that could go by the kernel; or they have gone by the kernel for long since the last proof.
   * `isSilent`: the peer has not answered those that went by the kernel.
   */
  want(peer: Ipv6, source: Ipv6, now: number, isSilent = false): void {
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

  /** The peer has answered what was sent by the kernel path. */
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

  /** The host's own rules have refused a datagram of the socket to this peer: the kernel sends it none for now. */
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

  /** The peer may be elsewhere from now on: what it answers to what was asked of it there proves nothing here. */
  handlePlace(peer: Ipv6): void {
    const place = this.proofs.size > 0 ? this.proofs.get(formatIpv6(peer))?.place : undefined;
    if (place === undefined) return;
    const now = this.peers.state(peer);
    const isThere = now?.address === place.address && now.port === place.port && now.uplink === place.uplink;
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

  handleTimeout(now: number): void {
    for (const [name, proof] of this.proofs) if (now >= proof.dueAt) this.advance(name, proof, now);
  }

  /** The next round of echo requests, or the end of the patience. */
  private advance(name: string, proof: Proof, now: number): void {
    const round = proof.rounds++;
    if (round >= ROUNDS_MS.length) return this.fail(name, proof, now);
    const next = ROUNDS_MS[round + 1] ?? PATIENCE_MS;
    proof.dueAt = proof.firstAt + next;
    if (round === 0) return this.ask(proof, proof.ways[0]!);
    for (const way of proof.ways) if (this.mayAsk(proof.place, proof.isFirst, now)) this.ask(proof, way);
    if (round === 1 && proof.isFirst) this.tryTcp(proof, now);
  }

  /** The first is the best, and is tried alone at first: the first answer decides. */
  private get waysToTry(): readonly Way[] {
    return this.furthest === WAY.bare ? [WAY.bare, WAY.checked] : [WAY.checked];
  }

  /** The next segment of TCP to the peer goes by the kernel path, where the programs can sum it. */
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

  /** Where all places are taken, the oldest proof at the IPv4 address that has most gives up its own, unless this one has about as many. */
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
   * Nobody knows whether the path works. One in use stays so, and is asked for again soon; by the process, though, the packets to a peer that is silent are
   * slower, but none is lost.
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
    // The notice of an answer may have found no room.
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

/** In the words of the port; `now`: ns, as the entry's times; `stretch`: config.stretch of the programs. */
export function carriedPath(state: PeerState, now: number, stretch = 1): CarriedPath {
  const unseen = Math.min(UNSEEN_NS * stretch, UNSEEN_MOST_NS);
  const { socketHeardAgo } = state;
  if (socketHeardAgo >= unseen && socketHeardAgo - (now - state.lastReceived) >= unseen / 2)
    return { way: 'none', reason: 'unseen' };
  if (state.way === WAY.checked || state.way === WAY.bare) return { way: 'both' };
  if (state.failures === REFUSED) return { way: 'inward', reason: 'refused' };
  return { way: 'inward', reason: failuresIn(state.failures) > 0 ? 'unanswered' : 'unproven' };
}
