import { LOCAL_PEER_MEMORY_MS, PEER_VALIDITY_MS } from '../../constants.ts';
import { Contacts, NO_CONTACT } from '../../contacts.ts';
import type { KnownPeer } from '../../known-peer.ts';
import type { PaidFrom, Requester } from '../../payments.ts';
import { NO_PEER, TRUSTED } from '../../peer-table.ts';
import { NO_ROW } from '../../rows.ts';
import { DESTINATION, isNative, isTeredo, mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Traversal } from '../traversal/index.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ConnectivityTest } from '../ask/connectivity-test.ts';
import type { ClientContext } from '../context.ts';
import type { HeldPackets } from './held-packets.ts';
import type { LocalDiscovery } from '../ask/local-discovery.ts';
import type { LocalErrors } from './local-errors.ts';
import { SOCKET } from '../options.ts';
import type { Place } from '../place.ts';
import { StrangerBudget } from './stranger-budget.ts';
import { Strangers } from './strangers.ts';

/** Least time between two questions to a trusted peer that is silent while it is sent to. */
const QUESTION_SPACING_MS = 3_000;
/** After this silence at its own pair, a trusted peer that is heard from another pair is tested at once. */
const MOVED_SILENCE_MS = 20;
/**
 * The first test of such a peer, or the answer, may have been lost: the second test follows after this time. Later ones have the spacing of
 * questions.
 */
const MOVED_AGAIN_MS = 500;
/** The same to a peer that has not shown yet that it hears us. It answers once in 2 s, counted from the arrival of the last question. */
const DOUBT_SPACING_MS = 2_500;

/** The budget that pays for the contact of a packet of this host. Free: this host begins the contact, or it is under way. */
type Fare = PaidFrom | 'free';

interface Parts {
  readonly bubbles: Bubbles;
  readonly test: ConnectivityTest;
  readonly discovery: LocalDiscovery;
  readonly errors: LocalErrors;
  readonly held: HeldPackets;
  readonly traversal: Traversal;
}

/** Brings peers into the state in which packets may be sent to them. RFC 4380 sections 5.2.4, 5.2.6, 5.2.9 */
export class PeerContacts {
  private readonly context: ClientContext;
  private readonly parts: Parts;
  private readonly contacts: Contacts;
  private readonly unsolicited: StrangerBudget;
  private readonly strangers: Strangers;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
    this.contacts = new Contacts(
      {
        attempt: (contact, now) => this.attempt(contact, now),
        failed: (contact, now) => this.fail(contact, now),
        crowdedOut: (packets, peer) => {
          context.counters.droppedCrowdedOut += packets;
          context.hits.ipv6('queue', context.peers.address(peer), 0, packets);
        },
      },
      context.limits.queue,
    );
    this.strangers = new Strangers(context.entropy);
    this.unsolicited = new StrangerBudget(context.limits.unsolicitedTests, context.entropy);
  }

  isUnderway(peer: number): boolean {
    return this.contacts.get(peer) !== NO_CONTACT;
  }

  /** The attempts made so far; 0: no contact is under way. */
  attemptsOf(peer: number): number {
    const contact = this.contacts.get(peer);
    return contact === NO_CONTACT ? 0 : this.contacts.rows.attemptsOf(contact);
  }

  handleTimeout(now: number): void {
    this.contacts.handleTimeout(now);
  }

  /** Queues the packet for a contact, which begins now unless it is under way. `fare`: from {@link admit}. CL-62, CL-63, CL-65 */
  enqueue(peer: number, fare: Fare, packet: Uint8Array, now: number): void {
    const { context } = this;
    const { length } = packet;
    const via = this.strangers.answeredBy(packet, 0, length, now);
    const isOwn = via === undefined;
    const teredo = isTeredo(context.peers.address(peer), 0);
    if (isOwn) this.strangers.noteOwn(packet, 0, length, now);
    if (isOwn && teredo) this.parts.traversal.want(peer);
    const contact = this.contacts.begin(peer, now, requesterBy(via), isOwn);
    if (fare !== 'free') this.contacts.rows.pay(contact, { from: fare, at: now });
    if (!this.contacts.enqueue(contact, packet, 0, length)) {
      context.counters.droppedQueueFull++; // CL-68
      context.hits.ipv6('queue', packet, DESTINATION);
    }
    if (!teredo) context.silence.tested(now);
  }

  /**
   * Pays for the contact that the packet `b[start, end)` of this host needs; undefined where none may begin. An answer to a stranger may go to a
   * victim of forged packets, so the limit of contacts that strangers cause holds for it. It never holds for contacts that this host begins. CL-124
   */
  admit(known: number, b: Uint8Array, start: number, end: number, now: number): Fare | undefined {
    if (known !== NO_PEER && (this.isUnderway(known) || this.context.peers.status[known] === TRUSTED))
      return 'free';
    const via = this.strangers.answeredBy(b, start, end, now);
    if (via === undefined) return 'free';
    const o = start + DESTINATION;
    const from = this.unsolicited.takeAnswer(b, o, via, now);
    this.count(from !== undefined, b, o);
    return from;
  }

  /** Whether the peer is trusted, or packets are queued for it. */
  isKnown(peer: number): boolean {
    if (peer === NO_PEER) return false;
    if (this.context.peers.status[peer] === TRUSTED) return true;
    const contact = this.contacts.get(peer);
    return contact !== NO_CONTACT && this.contacts.rows.waitingOf(contact) > 0;
  }

  /** Whether this host has wanted to reach the Teredo peer. Trust does not show that: any peer that has sent a bubble may be trusted. */
  isWanted(peer: number): boolean {
    return peer !== NO_PEER && this.parts.traversal.isWanted(peer);
  }

  /** The packet `b[start, end)` is delivered. Its source has not proven itself; it came from the IPv4 address `via`. This host may answer it. */
  noteStranger(b: Uint8Array, start: number, end: number, via: number, now: number): void {
    this.strangers.note(b, start, end, via, now);
  }

  /**
   * Begins a contact for which no packet is queued. `via`: the IPv4 address from which a stranger has caused it, allowed by {@link mayCause};
   * undefined: this host wants it.
   */
  begin(peer: number, via: number | undefined, now: number): void {
    const contact = this.contacts.begin(peer, now, requesterBy(via), via === undefined);
    if (via !== undefined) this.contacts.rows.pay(contact, { from: 'shared', at: now });
  }

  /**
   * The peer has shown that it is reached at this place, `byNonce` or otherwise. No other method gives trust. Returns the number of packets that
   * waited for that. CL-46, CL-47, CL-49
   */
  trust(peer: number, place: Place, byNonce: boolean, now: number): number {
    const { address, port, socket } = place;
    const { peers, offload } = this.context;
    const { traversal } = this.parts;
    // A bubble of a peer that was not asked is no answer: it may be forged, and a forger earns no replies to its victim.
    if (this.isUnderway(peer)) this.parts.bubbles.reward(address, now);
    const isSamePair = peers.mappedAddress[peer] === address && peers.mappedPort[peer] === port;
    if (!isSamePair || peers.socket[peer] !== socket) offload.withdraw(peer);
    peers.mappedAddress[peer] = address;
    peers.mappedPort[peer] = port;
    peers.socket[peer] = socket;
    traversal.settle(peer, socket, byNonce, now);
    const waited = this.revive(peer, now, now);
    this.parts.held.release(peer, place);
    // There is no room among the trusted peers: the queued packets were sent, and the peer is forgotten.
    if (peers.trust(peer, now)) offload.heard(peer, now);
    else {
      traversal.drop(peer);
      peers.remove(peer);
    }
    return waited;
  }

  /** A predecessor of this process has trusted the peer. One that is not valid any more has to prove itself again. */
  adopt(known: KnownPeer, now: number): void {
    const { peers, limits, policy } = this.context;
    const { address, mappedAddress, mappedPort, lastReceived, lastSent, marks = 0 } = known;
    const before = peers.find(address, 0);
    if (known.hasLeft === true) {
      if (before === NO_PEER) return;
      this.parts.traversal.drop(before);
      peers.remove(before);
      return;
    }
    const isRecent = lastReceived <= now && now - lastReceived < PEER_VALIDITY_MS && lastSent <= now;
    const mayBeSentTo = policy.isGlobalUnicast(mappedAddress) && mappedPort !== 0;
    const isPeer = (isTeredo(address, 0) || isNative(address, 0)) && !this.context.isOwn(address, 0);
    if (!isRecent || !mayBeSentTo || !isPeer) return;
    if (before === NO_PEER && peers.trustedCount >= limits.peers.trusted) return;
    if (before !== NO_PEER) this.parts.traversal.drop(before);
    const peer = before === NO_PEER ? peers.insert(address, 0) : before;
    peers.mappedAddress[peer] = mappedAddress;
    peers.mappedPort[peer] = mappedPort;
    peers.lastReceived.set(peer, lastReceived);
    peers.lastSent.set(peer, lastSent);
    this.parts.traversal.adopt(peer, marks, now);
    peers.trust(peer, now);
  }

  /** For a successor, which has the service port only, and knows nothing of neighbours. */
  marksOf(peer: number, now: number): number | undefined {
    const isByServicePort = this.context.peers.socket[peer] === SOCKET.service;
    return isByServicePort ? this.parts.traversal.marksOf(peer, now) : undefined;
  }

  /** A trusted peer was heard from where it is sent to. CL-45, CL-95 */
  heard(peer: number, now: number): void {
    this.revive(peer, now, now);
    this.context.offload.heard(peer, now);
  }

  /**
   * Packets of a trusted peer were carried past the machine: the last from it at `receivedAt`, the last to it at `sentAt`.
   * A report of an older packet than the last one known changes nothing.
   */
  carried(peer: number, receivedAt: number, sentAt: number, now: number): void {
    const { context } = this;
    const { peers, lastServerContact, silence } = context;
    const silentSince = silence.since;
    if (receivedAt > peers.lastReceived.at(peer)) {
      this.revive(peer, receivedAt, now);
      silence.received(receivedAt);
      this.parts.traversal.noteAtPlace(peer, peers.socket[peer], 'packet', receivedAt);
      silence.heardLate(receivedAt, silentSince, lastServerContact);
    }
    if (sentAt > peers.lastSent.at(peer)) {
      peers.lastSent.set(peer, sentAt);
      if (peers.socket[peer] !== SOCKET.service) this.parts.traversal.noteSent(peer, sentAt);
      silence.sentLate(sentAt, lastServerContact);
    }
  }

  /** Sends a packet to the peer's place. CL-61 */
  send(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { context } = this;
    const { peers } = context;
    peers.lastSent.set(peer, now);
    context.silence.sent(now);
    context.counters.sentPackets++;
    peers.countSent(peer, end - start);
    const socket = peers.socket[peer];
    if (socket !== SOCKET.service) this.parts.traversal.noteSent(peer, now);
    const { mappedAddress, mappedPort } = peers;
    context.commands.transmit(socket, buffer, start, end, mappedAddress[peer], mappedPort[peer]); // E-76
  }

  /** Sends a packet to the mapped pair in the destination: the cone bit says that its NAT admits all senders. CL-64 */
  sendToCone(known: number, buffer: Uint8Array, start: number, end: number): void {
    if (known !== NO_PEER) this.context.peers.countSent(known, end - start);
    const destination = start + DESTINATION;
    const address = mappedAddressOf(buffer, destination);
    this.context.counters.sentPackets++;
    this.context.commands.transmit(
      SOCKET.service,
      buffer,
      start,
      end,
      address,
      mappedPortOf(buffer, destination),
    );
  }

  /** Whether a valid peer may be at another place than the one where it seems to be heard. The user's own relay has verified its peers. */
  mayBeElsewhere(peer: number, now: number): boolean {
    const { traversal } = this.parts;
    if (traversal.isReached(peer, now)) return false;
    const { mappedAddress, mappedPort } = this.context.peers;
    return !this.context.isMeetingPoint(mappedAddress[peer], mappedPort[peer]);
  }

  /** A trusted peer is silent, or is heard from another pair: asks whether it is still reached. Packets to it are sent meanwhile. CL-53 */
  question(peer: number, now: number): void {
    const { context } = this;
    const isUnconfirmed = this.parts.traversal.isUnconfirmed(peer, now);
    if (isUnconfirmed) context.silence.tested(context.peers.lastReceived.at(peer));
    // A question that was not answered may have been lost with a mapping that the peer has opened again since.
    const asked = context.peers.bubbleCount(peer);
    const repeated = DOUBT_SPACING_MS * 2 ** Math.max(0, asked - 1);
    const spacing = isUnconfirmed ? DOUBT_SPACING_MS : asked === 0 ? QUESTION_SPACING_MS : repeated;
    if (now - context.peers.lastBubble.at(peer) < spacing || this.isUnderway(peer)) return;
    this.approach(peer, this.mayBeElsewhere(peer, now) ? 2 : 1, true, now);
  }

  /**
   * A trusted native peer was heard from another pair: its relay may have gone, and another one serves it. The first two tests since the peer was
   * last heard from its own pair do not wait for the spacing of questions. A peer that this host sends to has a limit of its own, any other
   * that of strangers. CL-53
   */
  questionMoved(peer: number, via: number, now: number): void {
    const { peers } = this.context;
    const isSilent = now - peers.lastReceived.at(peer) >= MOVED_SILENCE_MS;
    if (isSilent && this.isMoveDue(peer, now) && this.mayTestMoved(peer, via, now))
      this.parts.test.send(peer, now);
    else this.question(peer, now);
  }

  /**
   * The server has just confirmed our mapping. Our NAT may have been restarted before, and may have dropped the last packets of a peer that only
   * sends, and its questions: peers that have sent packets until a moment ago get a round of bubbles.
   */
  reopenToTalkers(now: number): void {
    const { context } = this;
    const { mappedAddress, mappedPort } = context.peers;
    for (const peer of this.parts.traversal.takeSilentTalkers(now)) {
      const isMet = context.isMeetingPoint(mappedAddress[peer]!, mappedPort[peer]!);
      if (isMet || this.isUnderway(peer) || !context.peers.isValid(peer, now)) continue;
      this.approach(peer, this.parts.traversal.isUnconfirmed(peer, now) ? 2 : 1, this.isWanted(peer), now);
    }
  }

  /** Forgets the contact with a peer that is about to be forgotten. */
  drop(peer: number): void {
    this.parts.held.drop(peer);
    this.parts.traversal.drop(peer);
    const contact = this.contacts.finish(peer);
    if (contact === NO_CONTACT) return;
    this.context.counters.droppedNoAnswer += this.contacts.rows.waitingOf(contact);
    this.contacts.release(contact);
  }

  /**
   * Whether the stranger with the IPv6 address at an offset, heard from the IPv4 address `via`, may cause a test or a contact. Takes from the limit.
   * CL-124
   */
  mayCause(b: Uint8Array, o: number, via: number, now: number): boolean {
    return this.count(this.unsolicited.take(b, o, via, now), b, o);
  }

  /** Whether the test of a peer that may have moved is the first one since the peer was heard, or the second. */
  private isMoveDue(peer: number, now: number): boolean {
    const { peers } = this.context;
    if (this.isUnderway(peer)) return false;
    if (peers.lastBubble.at(peer) <= peers.lastReceived.at(peer)) return true;
    return peers.bubbleCount(peer) === 1 && now - peers.lastBubble.at(peer) >= MOVED_AGAIN_MS;
  }

  private mayTestMoved(peer: number, via: number, now: number): boolean {
    const { peers } = this.context;
    const address = peers.address(peer);
    const isRepetition = peers.lastBubble.at(peer) > peers.lastReceived.at(peer);
    // A test counts as sent to the peer, too; a packet that is sent later is the host's.
    if (!isRepetition && peers.lastSent.at(peer) <= peers.lastBubble.at(peer))
      return this.mayCause(address, 0, via, now);
    return this.count(this.unsolicited.takeMoved(address, 0, via, now), address, 0);
  }

  pollTimeout(): number {
    return this.contacts.pollTimeout();
  }

  /** The peer was heard at `heardAt`: sends the packets that are queued for it. Returns their number. */
  private revive(peer: number, heardAt: number, now: number): number {
    const { context } = this;
    context.peers.lastReceived.set(peer, heardAt);
    context.peers.resetBubbles(peer);
    context.silence.heard(heardAt);
    // A late report may be too old to send by. CL-60
    if (this.contacts.isEmpty || now - heardAt >= PEER_VALIDITY_MS) return 0;
    const contact = this.contacts.finish(peer);
    if (contact === NO_CONTACT) return 0;
    context.counters.succeededContacts++;
    const { rows } = this.contacts;
    const requestedBy = rows.requesterOf(contact);
    const paid = requestedBy === undefined ? [] : rows.paymentsOf(contact);
    if (paid.length > 0)
      this.unsolicited.noteAnswered(context.peers.address(peer), 0, requestedBy![1], paid, now);
    const { packets } = rows;
    for (let row = rows.firstPacketOf(contact); row !== NO_ROW; row = packets.nextOf(row))
      this.send(peer, packets.bufferOf(row), packets.startOf(row), packets.endOf(row), now);
    const count = rows.waitingOf(contact);
    this.contacts.release(contact);
    return count;
  }

  private attempt(contact: number, now: number): void {
    const { rows } = this.contacts;
    const [peer, attempts, isOwn] = [rows.peerOf(contact), rows.attemptsOf(contact), rows.isOwn(contact)];
    // The first attempt has taken its token already. Contacts that only strangers have caused need one for each repetition.
    if (attempts > 1 && !isOwn) {
      const via = rows.requesterOf(contact)![1];
      if (!this.mayCause(this.context.peers.address(peer), 0, via, now)) return;
      rows.pay(contact, { from: 'shared', at: now });
    }
    this.approach(peer, attempts, isOwn, now);
  }

  /** `isOwn`: for this host, which has rounds of its own; strangers take nothing from them. */
  private approach(peer: number, attempt: number, isOwn: boolean, now: number): void {
    const { peers } = this.context;
    const { traversal } = this.parts;
    const target = peers.address(peer);
    if (!isTeredo(target, 0)) {
      this.parts.test.send(peer, now);
      return;
    }
    // CL-93, CL-94, CL-95: counted last, because the last time of sending shows which peer is idle
    if (isOwn ? peers.mayBubble(peer, now) : traversal.mayCauseRound(peer, now)) {
      this.sendBubbles(peer, target, attempt, now);
      if (isOwn) peers.countBubble(peer, now);
      else traversal.countCausedRound(peer, now);
    } else if (!(isOwn ? peers.hasBubbleBudget(peer, now) : traversal.hasCausedRoundLeft(peer, now)))
      this.context.hits.ipv6('bubbles-to-peer', target, 0);
  }

  private sendBubbles(peer: number, target: Uint8Array, attempt: number, now: number): void {
    const { peers, mapped } = this.context;
    const { bubbles, discovery, traversal } = this.parts;
    const local = now - peers.localSeen.at(peer) < LOCAL_PEER_MEMORY_MS;
    if (local) bubbles.sendLocal(target, peers.localAddress[peer], peers.localPort[peer]);
    if (local) discovery.announce(now);
    else if (mappedAddressOf(target, 0) === mapped?.address) discovery.announceSparingly(now);
    // Any host on the link can announce any peer. The peer gets the nonce that proves it through its server.
    traversal.sendRound(peer, target, attempt, now);
  }

  /** `b[o]`: the IPv6 address of the stranger. */
  private count(allowed: boolean, b: Uint8Array, o: number): boolean {
    if (allowed) return true;
    this.context.counters.suppressedTests++;
    this.context.hits.ipv6('unsolicited-tests', b, o);
    return false;
  }

  private fail(contact: number, now: number): void {
    const { counters } = this.context;
    const { rows } = this.contacts;
    counters.failedContacts++;
    counters.droppedNoAnswer += rows.waitingOf(contact);
    for (const packet of rows.packetsOf(contact))
      this.parts.errors.unreachable(packet, rows.isOwn(contact), now);
  }
}

function requesterBy(via: number | undefined): Requester | undefined {
  return via === undefined ? undefined : [0, via, 0, 0];
}
