import { PEER_VALIDITY_MS } from '../constants.ts';
import { Contacts } from '../contacts.ts';
import type { Contact, PaidFrom, Requester } from '../contacts.ts';
import { NO_PEER } from '../peer-table.ts';
import {
  CONE_FLAG,
  DESTINATION,
  SOURCE,
  TEREDO_PORT,
  flagsOf,
  mappedAddressOf,
  mappedPortOf,
  serverOf,
} from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { Bubbles } from './bubbles.ts';
import { Budgets } from './budgets.ts';
import type { BubblePayment } from './budgets.ts';
import type { RelayContext } from './context.ts';
import type { Errors } from './errors.ts';
import { SOCKET } from './options.ts';
import type { RelayOptions } from './options.ts';
import { Rounds } from './rounds.ts';
import { isEchoReply } from './served.ts';
import { SourceQueues } from './source-queues.ts';
import { noteWanter, wanterAt, wanterOf } from './requesters.ts';

/** Least time between two questions to a trusted peer that has gone silent. */
const QUESTION_SPACING_MS = 5_000;
/** Of the budget of bubbles the rest is kept for the contact that begins when validity has lapsed. */
const QUESTIONS_MOST = 2;

/** How a relay makes a client a trusted peer, and sends to it. RFC 4380 section 5.4.1, cases 2 and 3 */
export class Contacting {
  private readonly context: RelayContext;
  private readonly contacts: Contacts<BubblePayment>;
  private readonly budgets: Budgets;
  private readonly bubbles: Bubbles;
  private readonly rounds: Rounds;
  private readonly errors: Errors;
  private readonly waiting: SourceQueues;
  private readonly scratch = new Uint8Array(16);
  private own: RelayOptions['own'];
  /** Whom a new peer is made for. */
  private cause: Requester | undefined;
  /** What was taken of the requester's budget for the first attempt of the contact that begins now. */
  private prepaid: PaidFrom | undefined;
  /** What was paid for the last question to each peer that has been asked one. */
  private readonly questions = new Map<number, BubblePayment>();

  constructor(context: RelayContext, errors: Errors) {
    this.context = context;
    this.errors = errors;
    this.own = context.options.own;
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
      this.dropBySource(this.wanterOf(packet, 0));
    });
  }

  /**
   * No valid entry for the packet's destination (`peer` may be NO_PEER): begin, or join, a contact; where the source has no
   * budget for that now, wait for it.
   */
  reach(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    if (!this.waiting.isEmpty) this.serveWaiting(this.wanterOf(buffer, start), now); // they were here first
    if (this.admit(peer, buffer, start, end, now)) return;
    const requester = this.wanterOf(buffer, start);
    if (this.waiting.add(requester, buffer, start, end, now)) return;
    if (this.waiting.isFull(end - start)) this.context.hits.ipv6('waiting', buffer, start + SOURCE);
    this.dropBySource(requester);
  }

  /**
   * Begins a contact with the client at `b[start]`'s source, for which nothing waits: the sender at this pair wants something of this relay. The contact
   * counts for that pair: what the sender says of itself is not proven yet. It seems to be the client where this is the pair in the address.
   */
  invite(peer: number, b: Uint8Array, start: number, address: Ipv4, port: number, now: number): void {
    if (peer !== NO_PEER && this.isUnderway(peer)) return;
    const { counters } = this.context;
    if (this.isDenied(b, start + SOURCE) || !this.isReachable(b, start + SOURCE)) return;
    const requester = wanterAt(address, port);
    const isThere =
      mappedAddressOf(b, start + SOURCE) === address && mappedPortOf(b, start + SOURCE) === port;
    if (peer !== NO_PEER && !this.rounds.mayBegin(peer, requester, isThere, now)) return;
    if (!this.prepay(requester, now)) this.dropBySource(requester);
    else {
      counters.contactsBegun++;
      this.contacts.begin(this.provide(peer, b, start + SOURCE, requester), now, requester);
    }
  }

  /** */
  send(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { peers, counters } = this.context;
    counters.relayedToClients++;
    peers.countSent(peer, end - start);
    this.transmit(peer, buffer, start, end, now);
  }

  /** An error of the relay's own: it counts as such, and as no packet of a host. */
  sendError(peer: number, error: Uint8Array, now: number): void {
    this.transmit(peer, error, 0, error.length, now);
  }

  /** The peer's data has been going out unanswered: a bubble beside it asks whether the client can still be reached. */
  question(peer: number, buffer: Uint8Array, start: number, now: number): void {
    const { peers } = this.context;
    if (now - peers.lastBubble[peer] < QUESTION_SPACING_MS || peers.bubbleCount(peer) >= QUESTIONS_MOST)
      return;
    const paid = this.bubbles.send(peer, this.wanterOf(buffer, start), undefined, now);
    if (paid !== undefined) this.questions.set(peer, paid);
  }

  /** Whether the bubble at `at`, from the client it claims to be from, answers one of ours. */
  isAnswer(buffer: Uint8Array, at: number, now: number): boolean {
    return this.bubbles.isAnswer(buffer, at, now);
  }

  /**
   * A client has shown that it receives our bubbles: the one place where peers become trusted. `known` is NO_PEER when it
   * was forgotten in the meantime. R-22
   */
  trust(known: number, buffer: Uint8Array, at: number, address: Ipv4, port: number, now: number): void {
    const { peers, counters, offload } = this.context;
    if (this.isDenied(buffer, at + SOURCE)) return; // our bubble was sent when it was allowed
    const peer = known === NO_PEER ? peers.insert(buffer, at + SOURCE) : known;
    if (peers.mappedAddress[peer] !== address || peers.mappedPort[peer] !== port) offload.withdraw(peer);
    peers.mappedAddress[peer] = address;
    peers.mappedPort[peer] = port;
    if (!peers.trust(peer, now)) {
      counters.droppedPeerTableFull++;
      return;
    }
    // The question's bubbles were answered, and only they are not rewarded with a contact below.
    const question = this.questions.get(peer);
    if (question !== undefined && !this.isUnderway(peer) && question.at > peers.lastReceived[peer])
      this.budgets.reward(undefined, peers.serverOf(peer), address, [question], now);
    this.questions.delete(peer);
    offload.note(peer, now);
    if (!offload.has(peer) && this.isLonePacketWanted(peer)) this.hear(peer, now, now);
    else this.revive(peer, now);
  }

  /**
   * One packet may be all that a native host wants of a client: that client is offered with the second. A client that has begun itself, and whose
   * test's reply waits, sends more.
   */
  private isLonePacketWanted(peer: number): boolean {
    const waiting = this.contacts.get(peer)?.waiting;
    return waiting?.length === 1 && !isEchoReply(waiting[0]!, 0);
  }

  /** A trusted peer was heard: it is valid, and whatever waited for that goes out. */
  revive(peer: number, now: number): void {
    this.hear(peer, now, now);
    this.context.offload.heard(peer, now);
  }

  /** Packets of a trusted peer were carried past the machine: the last from it at `receivedAt`, the last to it at `sentAt`. */
  carried(peer: number, receivedAt: number, sentAt: number, now: number): void {
    const { peers } = this.context;
    if (receivedAt > peers.lastReceived[peer]) this.hear(peer, receivedAt, now);
    if (sentAt > peers.lastSent[peer]) peers.lastSent[peer] = sentAt;
  }

  /** Whether this host is behind a NAT has changed. R-10 */
  setDirectBubbles(direct: boolean): void {
    this.budgets.direct = direct;
  }

  /** The relay's outer addresses have changed. */
  setOwnAddresses(addresses: readonly Ipv4[]): void {
    if (this.own !== undefined) this.own = { ...this.own, addresses };
  }

  /** Which clients are served has changed. Packets that wait for one that no longer is are dropped, and their sources hear of it. */
  forgetDenied(now: number): void {
    const { access, peers, counters, offload } = this.context;
    const denied: number[] = [];
    for (const peer of peers) {
      peers.writeAddress(peer, this.scratch, 0);
      const isAllowed = access.allows(peers.mappedAddress[peer]) && this.mayServe(this.scratch, 0);
      if (!isAllowed) denied.push(peer);
    }
    for (const peer of denied) {
      const waiting = this.contacts.finish(peer)?.waiting ?? [];
      offload.withdraw(peer);
      this.questions.delete(peer);
      peers.remove(peer);
      counters.droppedDenied += waiting.length;
      for (const packet of waiting) this.errors.prohibited(packet, 0, now);
    }
  }

  isUnderway(peer: number): boolean {
    return this.contacts.get(peer) !== undefined;
  }

  /** There are as many peers as may be, and this one, 16 octets, comes. */
  noteFull(pool: 'trusted' | 'unverified', peer: Uint8Array): void {
    if (this.cause === undefined) this.context.hits.ipv6(`peers.${pool}`, peer, 0);
    else noteWanter(this.context.hits, `peers.${pool}`, this.cause);
  }

  /** The peer makes room for another. */
  abandon(peer: number): void {
    this.questions.delete(peer);
    this.context.offload.withdraw(peer);
    this.context.counters.droppedEvicted += this.contacts.finish(peer)?.waiting.length ?? 0;
  }

  handleTimeout(now: number): void {
    this.contacts.handleTimeout(now);
    this.waiting.handleTimeout(now, (packet) => this.retry(packet, now));
  }

  pollTimeout(): number {
    return Math.min(this.contacts.pollTimeout(), this.waiting.pollTimeout());
  }

  private wanterOf(buffer: Uint8Array, start: number): Requester {
    return wanterOf(this.context.peers, buffer, start);
  }

  private serveWaiting(requester: Requester, now: number): void {
    this.waiting.serve(requester, now, (packet) => this.retry(packet, now));
  }

  /** A packet that has waited for the budget of its source; false where it has to go on waiting. */
  private retry(packet: Uint8Array, now: number): boolean {
    const { peers } = this.context;
    const peer = peers.find(packet, DESTINATION);
    if (peer === NO_PEER || !peers.isValid(peer, now)) return this.admit(peer, packet, 0, packet.length, now);
    this.send(peer, packet, 0, packet.length, now);
    return true;
  }

  /** Whether the packet has joined a contact or been dropped; false where its source has no budget for a contact now. */
  private admit(peer: number, buffer: Uint8Array, start: number, end: number, now: number): boolean {
    let contact = peer === NO_PEER ? undefined : this.contacts.get(peer);
    if (contact === undefined) {
      if (this.isDenied(buffer, start + DESTINATION)) {
        this.errors.prohibited(buffer, start, now);
        return true;
      }
      if (!this.isReachable(buffer, start + DESTINATION)) return true;
      if (this.sendToCone(peer, buffer, start, end, now)) return true;
      if (!this.mayContact(peer, buffer, start, now)) return true;
      const requester = this.wanterOf(buffer, start);
      if (!this.prepay(requester, now)) return false;
      this.context.counters.contactsBegun++;
      contact = this.contacts.begin(
        this.provide(peer, buffer, start + DESTINATION, requester),
        now,
        requester,
      );
    } else if (this.context.peers.mayBubble(peer, now)) {
      this.help(contact, this.wanterOf(buffer, start), now);
    }
    if (!this.contacts.enqueue(contact, buffer, start, end)) {
      this.context.counters.droppedQueueFull++;
      this.context.hits.ipv6('contacts', buffer, start + DESTINATION);
    }
    return true;
  }

  /** The requester's limit of bubbles is reached. R-31 */
  private dropBySource(requester: Requester): void {
    this.context.counters.droppedSourceLimit++;
    noteWanter(this.context.hits, 'by-source', requester);
  }

  private transmit(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { peers, commands } = this.context;
    peers.lastSent[peer] = now;
    commands.transmit(SOCKET.service, buffer, start, end, peers.mappedAddress[peer], peers.mappedPort[peer]);
  }

  /** A trusted peer was heard at `heardAt`. */
  private hear(peer: number, heardAt: number, now: number): void {
    const { peers, counters } = this.context;
    peers.lastReceived[peer] = heardAt;
    peers.resetBubbles(peer);
    // What is told late may be too old to send by. R-26
    if (now - heardAt >= PEER_VALIDITY_MS) return;
    const contact = this.contacts.finish(peer);
    if (contact === undefined) return;
    counters.contactsAnswered++;
    const { requestedBy, paid, waiting } = contact;
    if (paid.length > 0)
      this.budgets.reward(requestedBy, peers.serverOf(peer), peers.mappedAddress[peer], paid, now);
    for (const packet of waiting) this.send(peer, packet, 0, packet.length, now);
    if (requestedBy !== undefined) this.serveWaiting(requestedBy, now);
  }

  /** Whether the client whose address stands at `buffer[client]` is served, by the addresses in it. */
  private mayServe(buffer: Uint8Array, client: number): boolean {
    const { access } = this.context;
    return access.allows(mappedAddressOf(buffer, client)) && access.allows(serverOf(buffer, client));
  }

  /** The opposite, which is counted. */
  private isDenied(buffer: Uint8Array, client: number): boolean {
    if (this.mayServe(buffer, client)) return false;
    this.context.counters.droppedDenied++;
    return true;
  }

  /** R-4, for the mapped address and the server's. */
  private isReachable(buffer: Uint8Array, destination: number): boolean {
    const { options, counters } = this.context;
    const mapped = mappedAddressOf(buffer, destination);
    const server = serverOf(buffer, destination);
    const port = mappedPortOf(buffer, destination);
    if (!options.policy.isGlobalUnicast(mapped) || !options.policy.isGlobalUnicast(server) || port === 0) {
      counters.droppedDestinationNotGlobal++;
      return false;
    }
    if (this.isOurs(mapped, port) || this.isOurs(server, TEREDO_PORT)) {
      counters.droppedLoop++;
      return false;
    }
    return true;
  }

  private isOurs(address: Ipv4, port: number): boolean {
    const { own } = this;
    return own !== undefined && port === own.port && own.addresses.includes(address);
  }

  /** where the cone flag is believed, the first packet goes out at once. Whether it did. */
  private sendToCone(known: number, buffer: Uint8Array, start: number, end: number, now: number): boolean {
    const { options, peers } = this.context;
    const destination = start + DESTINATION;
    if (options.trustCone !== true || (flagsOf(buffer, destination) & CONE_FLAG) === 0) return false;
    const requester = this.wanterOf(buffer, start);
    if (this.budgets.takeSource(requester, now) === undefined) {
      this.dropBySource(requester);
      return true;
    }
    const peer = this.provide(known, buffer, destination, requester);
    if (!peers.trust(peer, now)) return false;
    peers.lastReceived[peer] = now;
    this.context.offload.note(peer, now);
    this.context.offload.sent(peer);
    this.send(peer, buffer, start, end, now);
    return true;
  }

  /** Whether the budget of bubbles to this peer allows a contact; if not, the packet's source hears of it. R-33 */
  private mayContact(known: number, buffer: Uint8Array, start: number, now: number): boolean {
    // An echo reply answers the client's own connectivity test: a moment ago it was there, and its server too.
    const isThere = isEchoReply(buffer, start);
    if (known === NO_PEER || this.rounds.mayBegin(known, this.wanterOf(buffer, start), isThere, now))
      return true;
    this.errors.unreachable(buffer, start, now);
    return false;
  }

  /** The peer whose address stands at `buffer[offset]`, made if need be. */
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

  /** The first attempt's share of the source's budget was taken when the contact began. */
  private attempt(contact: Contact<BubblePayment>, now: number): void {
    const requester = contact.requestedBy!;
    const source = contact.attempts > 1 ? this.budgets.takeSource(requester, now) : this.prepaid;
    if (source === undefined) {
      this.dropBySource(requester);
    } else {
      const paid = this.bubbles.send(contact.peer, requester, source, now);
      if (paid !== undefined) contact.paid.push(paid);
    }
  }

  /** The requester of the contact had no budget for its last attempt: one that joins it has a bubble sent out of its own. */
  private help(contact: Contact<BubblePayment>, requester: Requester, now: number): void {
    const source = this.budgets.takeSource(requester, now);
    if (source === undefined) return;
    const paid = this.bubbles.send(contact.peer, requester, source, now);
    if (paid === undefined) this.budgets.giveSource(requester, source, now);
    else contact.paid.push(paid);
  }

  /** For the first attempt of a contact; false where the requester has no budget now. */
  private prepay(requester: Requester, now: number): boolean {
    this.prepaid = this.budgets.takeSource(requester, now);
    return this.prepaid !== undefined;
  }

  private failed(contact: Contact, now: number): void {
    const { counters, peers } = this.context;
    counters.contactsFailed++;
    counters.droppedNoAnswer += contact.waiting.length;
    // Untrusted again, yet not forgotten: the budget of bubbles outlives the contact.
    this.context.offload.withdraw(contact.peer);
    peers.distrust(contact.peer);
    for (const packet of contact.waiting) this.errors.unreachable(packet, 0, now);
  }
}
