import { BUBBLE_WINDOW_MS, PEER_VALIDITY_MS } from '../constants.ts';
import type { Arrival } from '../arrival.ts';
import { Contacts, NO_CONTACT } from '../contacts.ts';
import type { KnownPeer } from '../known-peer.ts';
import type { PaidFrom, Requester } from '../payments.ts';
import { NO_PEER } from '../peer-table.ts';
import { NO_ROW } from '../rows.ts';
import { CONE_FLAG, DESTINATION, SOURCE, flagsOf, mappedAddressOf, mappedPortOf } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { Bubbles } from './bubbles.ts';
import { Budgets } from './budgets.ts';
import type { BubblePayment } from './budgets.ts';
import type { RelayContext } from './context.ts';
import { Destinations } from './destinations.ts';
import type { Errors } from './errors.ts';
import { SOCKET } from './options.ts';
import { Rounds } from './rounds.ts';
import { isEchoReply } from './served.ts';
import { SourceQueues } from './source-queues.ts';
import { noteRequester, requesterAt, requesterOf } from './requesters.ts';

/** Least time between two questions (bubbles) to a trusted peer that has become silent. */
const QUESTION_SPACING_MS = 5_000;
/** Most questions from the budget of bubbles. The rest is for the contact that begins when the peer is no longer valid. */
const QUESTIONS_MOST = 2;
/** Peers that are compared with a new access list at once: a millisecond's work if all of them are denied. */
const JUDGED_AT_ONCE = 500;
/** A step through slots of the table without a peer takes as long as so many denied peers. */
const STEP_AS_PEERS = 50;

/** Makes clients trusted peers, and sends packets to them. RFC 4380 section 5.4.1, cases 2 and 3 */
export class Contacting {
  private readonly context: RelayContext;
  private readonly contacts: Contacts;
  private readonly budgets: Budgets;
  private readonly bubbles: Bubbles;
  private readonly rounds: Rounds;
  private readonly errors: Errors;
  private readonly waiting: SourceQueues;
  private readonly destinations: Destinations;
  private readonly scratch = new Uint8Array(16);
  /** The requester for which a peer is being added. */
  private cause: Requester | undefined;
  /** The payment from the requester's budget for the first attempt of the contact that begins now. */
  private prepaid: PaidFrom | undefined;
  /** The payment for the last question to each peer that has been asked one. */
  private readonly questions = new Map<number, BubblePayment>();
  /** Peers still to be compared with the access list, and when the last were. */
  private judging: Iterator<number, void> | undefined;
  private judgedAt = 0;

  constructor(context: RelayContext, errors: Errors) {
    this.context = context;
    this.errors = errors;
    this.destinations = new Destinations(context);
    this.budgets = new Budgets(context.limits, context.options.directBubbles === true, context.entropy);
    this.bubbles = new Bubbles(context, this.budgets);
    this.rounds = new Rounds(context);
    this.contacts = new Contacts(
      {
        attempt: (contact, now) => this.attempt(contact, now),
        failed: (contact, now) => this.failed(contact, now),
        crowdedOut: (packets, peer) => {
          context.counters.droppedCrowdedOut += packets;
          context.hits.ipv4('contacts', context.peers.mappedAddress[peer], packets);
        },
      },
      context.limits.contacts,
    );
    this.waiting = new SourceQueues(context.limits.waiting, context.entropy, (packet, isCrowdedOut) => {
      if (isCrowdedOut) context.hits.ipv6('waiting', packet, SOURCE);
      this.dropBySource(this.requesterOf(packet, 0));
    });
  }

  /**
   * There is no valid entry for the packet's destination (`peer` may be NO_PEER). The packet begins or joins a contact; or it waits in
   * the queue of its source if that has no budget for a contact now.
   */
  reach(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    if (!this.waiting.isEmpty) this.serveWaiting(this.requesterOf(buffer, start), now); // these packets came first
    if (this.admit(peer, buffer, start, end, now)) return;
    const requester = this.requesterOf(buffer, start);
    if (this.waiting.add(requester, buffer, start, end, now)) return;
    if (this.waiting.isFull(end - start)) this.context.hits.ipv6('waiting', buffer, start + SOURCE);
    this.dropBySource(requester);
  }

  /**
   * Begins a contact with the client that sent this packet, although no packet waits for it: it wants to reach another client through this
   * relay. The budget is that of the outer source, because its Teredo address is not proven yet. The sender seems to be the client if its
   * outer source is the pair in that address.
   */
  invite({ buffer: b, view, address, port, peer, now }: Arrival): void {
    const source = view.ipv6Start + SOURCE;
    if (peer !== NO_PEER && this.isUnderway(peer)) return;
    const { counters } = this.context;
    if (this.destinations.isDenied(b, source) || !this.destinations.isReachable(b, source)) return;
    const requester = requesterAt(address, port);
    const isThere = mappedAddressOf(b, source) === address && mappedPortOf(b, source) === port;
    if (peer !== NO_PEER && !this.rounds.mayBegin(peer, requester, isThere, now)) return;
    if (!this.prepay(requester, now)) this.dropBySource(requester);
    else {
      counters.contactsBegun++;
      this.contacts.begin(this.provide(peer, b, source, requester), now, requester);
    }
  }

  /** */
  send(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { peers, counters, users } = this.context;
    counters.relayedToClients++;
    peers.countSent(peer, end - start);
    users.sent(buffer, start, end - start, now);
    this.transmit(peer, buffer, start, end, now);
  }

  /** Sends an ICMPv6 error of the relay. It does not count as a relayed packet. */
  sendError(peer: number, error: Uint8Array, now: number): void {
    this.transmit(peer, error, 0, error.length, now);
  }

  /** Packets to the peer have not been answered: sends a bubble, which asks whether the client can still be reached. */
  question(peer: number, buffer: Uint8Array, start: number, now: number): void {
    const { peers } = this.context;
    if (now - peers.lastBubble.at(peer) < QUESTION_SPACING_MS || peers.bubbleCount(peer) >= QUESTIONS_MOST)
      return;
    const paid = this.bubbles.send(peer, this.requesterOf(buffer, start), undefined, now);
    if (paid !== undefined) this.questions.set(peer, paid);
  }

  /** Packets that wait for a client to become trusted, or for the budget of their source. */
  *waitingPackets(): Generator<Uint8Array> {
    yield* this.contacts.packets();
    yield* this.waiting.all();
  }

  /** Whether the bubble at `at` answers a bubble that this relay sent to the client named in its source address. */
  isAnswer(buffer: Uint8Array, at: number, now: number): boolean {
    return this.bubbles.isAnswer(buffer, at, now);
  }

  /**
   * A client has shown that it receives this relay's bubbles. The only method in which a peer becomes trusted by an answer. The
   * peer may have been removed in the meantime. R-22
   */
  trust({ buffer, view, address, port, peer: known, now }: Arrival): void {
    const { peers, counters, offload } = this.context;
    const source = view.ipv6Start + SOURCE;
    if (this.destinations.isDenied(buffer, source)) return; // the bubble was sent while the client was allowed
    const peer = known === NO_PEER ? peers.insert(buffer, source) : known;
    if (peers.mappedAddress[peer] !== address || peers.mappedPort[peer] !== port) offload.withdraw(peer);
    peers.mappedAddress[peer] = address;
    peers.mappedPort[peer] = port;
    if (!peers.trust(peer, now)) {
      counters.droppedPeerTableFull++;
      return;
    }
    // The client has answered a question. Bubbles of a contact are rewarded in `hear`, questions only here.
    const question = this.questions.get(peer);
    if (question !== undefined && !this.isUnderway(peer) && question.at > peers.lastReceived.at(peer)) {
      this.budgets.giveBack(question, peers.serverOf(peer), address, now);
      this.budgets.earn(undefined, peers.serverOf(peer), now);
    }
    this.questions.delete(peer);
    offload.note(peer, now);
    if (!offload.has(peer) && this.isLonePacketWanted(peer)) this.hear(peer, now, now);
    else this.revive(peer, now);
  }

  /**
   * Whether exactly one packet waits for the peer. It may be the only one, so the peer is offloaded with the second. An echo reply does not
   * count: it answers the test of a client that will send more.
   */
  private isLonePacketWanted(peer: number): boolean {
    const contact = this.contacts.get(peer);
    const { rows } = this.contacts;
    if (contact === NO_CONTACT || rows.waitingOf(contact) !== 1) return false;
    const packet = rows.firstPacketOf(contact);
    return !isEchoReply(rows.packets.bufferOf(packet), rows.packets.startOf(packet));
  }

  /** A predecessor of this process has trusted the peer; or does no more, if it has left. Only before service: all peers are of the predecessor. */
  adopt(known: KnownPeer, now: number): void {
    const { peers, limits } = this.context;
    const { address, mappedAddress, mappedPort, lastReceived, lastSent } = known;
    const before = peers.find(address, 0);
    if (known.hasLeft === true) {
      if (before !== NO_PEER) peers.remove(before);
      return;
    }
    const isRecent = lastReceived <= now && now - lastReceived < BUBBLE_WINDOW_MS && lastSent <= now;
    if (!isRecent || !this.destinations.mayAdopt(known)) return;
    if (before === NO_PEER && peers.trustedCount >= limits.peers.trusted) return;
    const peer = before === NO_PEER ? peers.insert(address, 0) : before;
    peers.mappedAddress[peer] = mappedAddress;
    peers.mappedPort[peer] = mappedPort;
    peers.lastReceived.set(peer, lastReceived);
    peers.lastSent.set(peer, lastSent);
    peers.trust(peer, now);
  }

  /** A packet came from a trusted peer: the peer is valid, and the packets that waited for it are sent. */
  revive(peer: number, now: number): void {
    this.hear(peer, now, now);
    this.context.offload.heard(peer, now);
  }

  /** The kernel path has carried packets of a trusted peer: the last one from it at `receivedAt`, the last one to it at `sentAt` (ms). */
  carried(peer: number, receivedAt: number, sentAt: number, now: number): void {
    const { peers } = this.context;
    if (receivedAt > peers.lastReceived.at(peer)) this.hear(peer, receivedAt, now);
    if (sentAt > peers.lastSent.at(peer)) peers.lastSent.set(peer, sentAt);
  }

  /** This host is now behind a NAT, or no longer. R-10 */
  setDirectBubbles(direct: boolean): void {
    this.budgets.direct = direct;
  }

  /** The relay's outer addresses have changed. */
  setOwnAddresses(addresses: readonly Ipv4[]): void {
    this.destinations.setOwnAddresses(addresses);
  }

  /**
   * The access list has changed. Removes denied clients, some now and the others at the next timeouts; packets that wait for them are dropped,
   * and their sources get an ICMPv6 error.
   */
  forgetDenied(now: number): void {
    this.judging = this.context.access.isOpen ? undefined : this.context.peers.walkInSteps();
    this.forgetSomeDenied(now);
  }

  private forgetSomeDenied(now: number): void {
    this.judgedAt = now;
    for (let work = 0; this.judging !== undefined && work < JUDGED_AT_ONCE;) {
      const { value: peer, done } = this.judging.next();
      work += peer === NO_PEER ? STEP_AS_PEERS : 1;
      if (done === true) this.judging = undefined;
      else if (peer !== NO_PEER && !this.isAllowed(peer)) this.deny(peer, now);
    }
  }

  private isAllowed(peer: number): boolean {
    const { access, peers } = this.context;
    peers.writeAddress(peer, this.scratch, 0);
    return access.allows(peers.mappedAddress[peer]) && this.destinations.mayServe(this.scratch, 0);
  }

  private deny(peer: number, now: number): void {
    const { peers, counters, offload } = this.context;
    const contact = this.contacts.finish(peer);
    offload.withdraw(peer);
    this.questions.delete(peer);
    peers.remove(peer);
    if (contact === NO_CONTACT) return;
    const { rows } = this.contacts;
    counters.droppedDenied += rows.waitingOf(contact);
    for (const packet of rows.packetsOf(contact)) this.errors.prohibited(packet, 0, now);
    this.contacts.release(contact);
  }

  isUnderway(peer: number): boolean {
    return this.contacts.get(peer) !== NO_CONTACT;
  }

  /** The pool is full, and the peer with this address (16 octets) is to be added. */
  noteFull(pool: 'trusted' | 'unverified', peer: Uint8Array): void {
    if (this.cause === undefined) this.context.hits.ipv6(`peers.${pool}`, peer, 0);
    else noteRequester(this.context.hits, `peers.${pool}`, this.cause);
  }

  /** The peer is being removed to make room for another. */
  abandon(peer: number): void {
    this.questions.delete(peer);
    this.context.offload.withdraw(peer);
    const contact = this.contacts.finish(peer);
    if (contact === NO_CONTACT) return;
    this.context.counters.droppedEvicted += this.contacts.rows.waitingOf(contact);
    this.contacts.release(contact);
  }

  handleTimeout(now: number): void {
    this.contacts.handleTimeout(now);
    this.waiting.handleTimeout(now, (packet) => this.retry(packet, now));
    this.forgetSomeDenied(now);
  }

  pollTimeout(): number {
    const judgesAt = this.judging === undefined ? Infinity : this.judgedAt;
    return Math.min(this.contacts.pollTimeout(), this.waiting.pollTimeout(), judgesAt);
  }

  private requesterOf(buffer: Uint8Array, start: number): Requester {
    return requesterOf(this.context.peers, buffer, start);
  }

  private serveWaiting(requester: Requester, now: number): void {
    this.waiting.serve(requester, now, (packet) => this.retry(packet, now));
  }

  /** Sends a packet that has waited for the budget of its source. False: it has to wait longer. */
  private retry(packet: Uint8Array, now: number): boolean {
    const { peers } = this.context;
    const peer = peers.find(packet, DESTINATION);
    if (peer === NO_PEER || !peers.isValid(peer, now)) return this.admit(peer, packet, 0, packet.length, now);
    this.send(peer, packet, 0, packet.length, now);
    return true;
  }

  /** True: the packet has joined a contact, was sent, or was dropped. False: its source has no budget for a contact now. */
  private admit(peer: number, buffer: Uint8Array, start: number, end: number, now: number): boolean {
    let contact = peer === NO_PEER ? NO_CONTACT : this.contacts.get(peer);
    if (contact === NO_CONTACT) {
      if (this.destinations.isDenied(buffer, start + DESTINATION)) {
        this.errors.prohibited(buffer, start, now);
        return true;
      }
      if (!this.destinations.isReachable(buffer, start + DESTINATION)) return true;
      if (this.sendToCone(peer, buffer, start, end, now)) return true;
      if (!this.mayContact(peer, buffer, start, now)) return true;
      const requester = this.requesterOf(buffer, start);
      if (!this.prepay(requester, now)) return false;
      this.context.counters.contactsBegun++;
      contact = this.contacts.begin(
        this.provide(peer, buffer, start + DESTINATION, requester),
        now,
        requester,
      );
    } else if (this.context.peers.mayBubble(peer, now)) {
      this.help(contact, this.requesterOf(buffer, start), now);
    }
    if (!this.contacts.enqueue(contact, buffer, start, end)) {
      this.context.counters.droppedQueueFull++;
      this.context.hits.ipv6('contacts', buffer, start + DESTINATION);
    }
    return true;
  }

  /** Counts a packet or attempt that the requester's limit of bubbles forbids. R-31 */
  private dropBySource(requester: Requester): void {
    this.context.counters.droppedSourceLimit++;
    noteRequester(this.context.hits, 'by-source', requester);
  }

  private transmit(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { peers, commands } = this.context;
    peers.lastSent.set(peer, now);
    commands.transmit(SOCKET.service, buffer, start, end, peers.mappedAddress[peer], peers.mappedPort[peer]);
  }

  /** A packet from a trusted peer came at `heardAt` (ms). */
  private hear(peer: number, heardAt: number, now: number): void {
    const { peers, counters } = this.context;
    peers.lastReceived.set(peer, heardAt);
    peers.resetBubbles(peer);
    // A late report may be too old to make the peer valid. R-26
    if (now - heardAt >= PEER_VALIDITY_MS) return;
    const contact = this.contacts.finish(peer);
    if (contact === NO_CONTACT) return;
    counters.contactsAnswered++;
    this.rewardContact(contact, peer, now);
    const { packets } = this.contacts.rows;
    const first = this.contacts.rows.firstPacketOf(contact);
    for (let row = first; row !== NO_ROW; row = packets.nextOf(row))
      //
      this.send(peer, packets.bufferOf(row), packets.startOf(row), packets.endOf(row), now);
    const requester = this.waiting.isEmpty ? undefined : this.contacts.rows.requesterOf(contact);
    this.contacts.release(contact);
    if (requester !== undefined) this.serveWaiting(requester, now);
  }

  /** The client has answered the bubbles of the contact. */
  private rewardContact(contact: number, peer: number, now: number): void {
    const { peers } = this.context;
    const { rows } = this.contacts;
    const { payments } = rows;
    const first = rows.firstPaymentOf(contact);
    if (first === NO_ROW) return;
    const [server, mapped] = [peers.serverOf(peer), peers.mappedAddress[peer]];
    for (let row = first; row !== NO_ROW; row = payments.nextOf(row))
      this.budgets.giveBack(payments.read(row), server, mapped, now);
    this.budgets.earn(rows.requesterOf(contact), server, now);
  }

  /** with `trustCone`, the first packet to a client with the cone flag is sent at once. Returns whether it was sent or dropped. */
  private sendToCone(known: number, buffer: Uint8Array, start: number, end: number, now: number): boolean {
    const { options, peers } = this.context;
    const destination = start + DESTINATION;
    if (options.trustCone !== true || (flagsOf(buffer, destination) & CONE_FLAG) === 0) return false;
    const requester = this.requesterOf(buffer, start);
    if (this.budgets.takeSource(requester, now) === undefined) {
      this.dropBySource(requester);
      return true;
    }
    const peer = this.provide(known, buffer, destination, requester);
    if (!peers.trust(peer, now)) return false;
    peers.lastReceived.set(peer, now);
    this.context.offload.note(peer, now);
    this.context.offload.sent(peer);
    this.send(peer, buffer, start, end, now);
    return true;
  }

  /** Whether the budget of bubbles to this peer allows a contact. If not, the packet's source gets an ICMPv6 error. R-33 */
  private mayContact(known: number, buffer: Uint8Array, start: number, now: number): boolean {
    // An echo reply answers the client's own connectivity test: a moment ago the client and its server could be reached.
    const isThere = isEchoReply(buffer, start);
    if (known === NO_PEER || this.rounds.mayBegin(known, this.requesterOf(buffer, start), isThere, now))
      return true;
    this.errors.unreachable(buffer, start, now);
    return false;
  }

  /** The peer with the address at `buffer[offset]`; it is added if it is not known. */
  private provide(known: number, buffer: Uint8Array, offset: number, requester: Requester): number {
    const { peers } = this.context;
    this.cause = requester;
    const peer = known === NO_PEER ? peers.insert(buffer, offset) : known;
    this.cause = undefined;
    peers.renew(peer);
    this.rounds.note(peer, requester);
    peers.mappedAddress[peer] = mappedAddressOf(buffer, offset);
    peers.mappedPort[peer] = mappedPortOf(buffer, offset);
    return peer;
  }

  /** The source's budget for the first attempt was taken when the contact began. */
  private attempt(contact: number, now: number): void {
    const { rows } = this.contacts;
    const requester = rows.requesterOf(contact)!;
    const source = rows.attemptsOf(contact) > 1 ? this.budgets.takeSource(requester, now) : this.prepaid;
    if (source === undefined) {
      this.dropBySource(requester);
    } else {
      const paid = this.bubbles.send(rows.peerOf(contact), requester, source, now);
      if (paid !== undefined) rows.pay(contact, paid);
    }
  }

  /** The requester of the contact had no budget for its last attempt: one that joins it has a bubble sent out of its own. */
  private help(contact: number, requester: Requester, now: number): void {
    const { rows } = this.contacts;
    const source = this.budgets.takeSource(requester, now);
    if (source === undefined) return;
    const paid = this.bubbles.send(rows.peerOf(contact), requester, source, now);
    if (paid === undefined) this.budgets.giveSource(requester, source, now);
    else rows.pay(contact, paid);
  }

  /** For the first attempt of a contact; false where the requester has no budget now. */
  private prepay(requester: Requester, now: number): boolean {
    this.prepaid = this.budgets.takeSource(requester, now);
    return this.prepaid !== undefined;
  }

  private failed(contact: number, now: number): void {
    const { counters, peers } = this.context;
    const { rows } = this.contacts;
    const peer = rows.peerOf(contact);
    counters.contactsFailed++;
    counters.droppedNoAnswer += rows.waitingOf(contact);
    // The peer is unverified again, but stays in the table: the budget of bubbles outlives the contact.
    this.context.offload.withdraw(peer);
    peers.distrust(peer);
    for (const packet of rows.packetsOf(contact)) this.errors.unreachable(packet, 0, now);
  }
}
