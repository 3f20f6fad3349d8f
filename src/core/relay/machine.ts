import { BUBBLE_HOP_LIMIT } from '../constants.ts';
import { CommandRing } from '../commands.ts';
import { Contacts } from '../contacts.ts';
import type { Contact } from '../contacts.ts';
import type { Entropy } from '../entropy.ts';
import { makeCounters } from '../machine.ts';
import type { Machine, SocketId } from '../machine.ts';
import { NO_PEER, PeerTable, TRUSTED } from '../peer-table.ts';
import {
  CONE_FLAG,
  DESTINATION,
  DatagramView,
  IPV6_HEADER,
  SOURCE,
  TEREDO_PORT,
  checkIpv6,
  decodeDatagram,
  flagsOf,
  isBubble,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  payloadLength,
  readUint32,
  serverOf,
  writeBubble,
  writeUint32,
} from '../../wire/index.ts';
import type { Ipv4, Ipv6Prefix } from '../../wire/index.ts';
import { Budgets } from './budgets.ts';
import { RELAY_COUNTERS } from './counters.ts';
import { Errors } from './errors.ts';
import { RELAY_LIMITS } from './limits.ts';
import { SOCKET } from './options.ts';
import type { RelayOptions } from './options.ts';
import { ServedRange, isEchoReply } from './served.ts';

/** A trusted peer that has been silent for this long while it was sent to is asked for a sign of life. */
const SILENCE_MS = 3_000;
/** Least time between two such questions, and between two bubbles beyond the budget. */
const QUESTION_SPACING_MS = 5_000;
const GRANT_SPACING_MS = 10_000;
const SWEEP_INTERVAL_MS = 10_000;
const SWEEP_MOST = 100_000;

/** The Teredo relay, and with the host's own addresses as its range the host-specific relay. RFC 4380 section 5.4 */
export class RelayMachine implements Machine {
  readonly commands = new CommandRing();
  readonly counters = makeCounters(RELAY_COUNTERS);
  readonly peers: PeerTable;

  private readonly options: RelayOptions;
  private readonly entropy: Entropy;
  private readonly contacts: Contacts;
  private readonly budgets: Budgets;
  private readonly errors: Errors;
  private readonly served: ServedRange;
  private readonly view = new DatagramView();
  private readonly random = new Uint8Array(8);
  private nextSweep = Infinity;

  constructor(options: RelayOptions, entropy: Entropy) {
    const limits = options.limits ?? RELAY_LIMITS;
    this.options = options;
    this.entropy = entropy;
    this.served = new ServedRange(options.serve);
    this.peers = new PeerTable(limits.peers, entropy, (peer) => void this.contacts.finish(peer));
    this.contacts = new Contacts(
      {
        attempt: (contact, now) => this.attempt(contact, now),
        failed: (contact, now) => this.failed(contact, now),
      },
      limits.contacts,
    );
    this.budgets = new Budgets(limits, entropy);
    this.errors = new Errors(options.localAddress, limits, entropy, this.counters, this.commands);
  }

  /** Reception from Teredo clients. RFC 4380 section 5.4.2 */
  handleDatagram(
    _socket: SocketId,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { counters, view, peers } = this;
    counters.receivedDatagrams++;
    if (decodeDatagram(buffer, start, end, view) !== undefined) {
      counters.droppedMalformed++;
      return;
    }
    const at = view.ipv6Start;
    const source = at + SOURCE;
    if (
      !isTeredo(buffer, source) ||
      mappedAddressOf(buffer, source) !== address ||
      mappedPortOf(buffer, source) !== port
    ) {
      counters.droppedForgedSource++;
      return;
    }
    const peer = peers.find(buffer, source);
    if (peer === NO_PEER) {
      counters.droppedUnsolicited++;
      return;
    }
    if (isBubble(buffer, at)) {
      counters.bubblesReceived++; // consumed
      if (this.isProof(buffer, at + DESTINATION, peer)) this.handleAnswer(peer, address, port, now);
      return;
    }
    if (peers.status[peer] !== TRUSTED) {
      // Whoever can forge a client's IPv4 address could else have our traffic sent to it: only the bubble's answer counts.
      counters.droppedUnverified++;
      return;
    }
    if (!this.served.has(buffer, at + DESTINATION)) {
      counters.droppedNotServed++;
      return;
    }
    this.heard(peer, now);
    counters.relayedToNative++;
    this.commands.deliver(buffer, at, view.ipv6End);
  }

  /** Transmission to Teredo clients. RFC 4380 section 5.4.1 */
  handlePacket(buffer: Uint8Array, start: number, end: number, now: number): void {
    const { counters, peers } = this;
    counters.receivedPackets++;
    if (checkIpv6(buffer, start, end) !== undefined) {
      counters.droppedMalformed++;
      return;
    }
    const destination = start + DESTINATION;
    if (!isTeredo(buffer, destination)) {
      counters.droppedNotTeredo++;
      return;
    }
    if (!this.served.has(buffer, start + SOURCE)) {
      counters.droppedForeignSource++;
      return;
    }
    const packetEnd = start + IPV6_HEADER + payloadLength(buffer, start);
    if (packetEnd - start > 1280) {
      counters.droppedTooBig++;
      this.errors.packetTooBig(buffer, start, packetEnd, now);
      return;
    }
    const peer = peers.find(buffer, destination);
    if (peer !== NO_PEER && peers.isValid(peer, now)) {
      this.send(peer, buffer, start, packetEnd, now);
      if (now - peers.lastReceived[peer]! >= SILENCE_MS) this.ask(peer, now);
      return;
    }
    this.reach(peer, buffer, start, packetEnd, now);
  }

  handleTimeout(now: number): void {
    this.contacts.handleTimeout(now);
    if (now >= this.nextSweep) {
      this.peers.sweep(now, SWEEP_MOST);
      this.nextSweep = this.peers.trustedCount + this.peers.unverifiedCount > 0 ? now + SWEEP_INTERVAL_MS : Infinity;
    }
  }

  /** The range served has changed: a host's addresses have. H-5 */
  setServed(serve: readonly Ipv6Prefix[]): void {
    this.served.set(serve);
  }

  pollTimeout(): number {
    return Math.min(this.contacts.pollTimeout(), this.nextSweep);
  }

  /** No valid entry: begin, or join, a contact. `peer` may be NO_PEER. */
  private reach(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { counters, peers } = this;
    let contact = peer === NO_PEER ? undefined : this.contacts.get(peer);
    if (contact === undefined) {
      const begun = this.beginContact(peer, buffer, start, now);
      if (begun === undefined) return;
      if (peers.isValid(begun, now)) {
        this.send(begun, buffer, start, end, now);
        return;
      }
      contact = this.contacts.get(begun)!;
    }
    if (!this.contacts.enqueue(contact, buffer, start, end)) counters.droppedQueueFull++;
  }

  /** The peer that is now being contacted (or is trusted for its cone flag); undefined where that may not be. */
  private beginContact(known: number, buffer: Uint8Array, start: number, now: number): number | undefined {
    const { counters, peers, options } = this;
    const destination = start + DESTINATION;
    const mapped = mappedAddressOf(buffer, destination);
    const server = serverOf(buffer, destination);
    const port = mappedPortOf(buffer, destination);
    if (!options.policy.isGlobalUnicast(mapped) || !options.policy.isGlobalUnicast(server) || port === 0) {
      counters.droppedDestinationNotGlobal++;
      return undefined;
    }
    if (options.own !== undefined && port === options.own.port && options.own.addresses.includes(mapped)) {
      counters.droppedLoop++;
      return undefined;
    }
    if (known !== NO_PEER && !peers.mayBubble(known, now)) {
      // An echo reply answers the client's own connectivity test: a moment ago it was there, and its server too.
      const alive = isEchoReply(buffer, start) && now - peers.lastBubble[known]! >= GRANT_SPACING_MS;
      if (alive) peers.grantBubble(known);
      if (!alive) {
        counters.droppedBubbleBudget++;
        this.errors.unreachable(buffer, start, now);
        return undefined;
      }
    }
    const sourceHigh = readUint32(buffer, start + SOURCE);
    const sourceLow = readUint32(buffer, start + SOURCE + 4);
    if (!this.budgets.takeSource(sourceHigh, sourceLow, now)) {
      counters.droppedSourceLimit++;
      return undefined;
    }
    const peer = known === NO_PEER ? peers.insert(buffer, destination) : known;
    peers.mappedAddress[peer] = mapped;
    peers.mappedPort[peer] = port;
    if (options.trustCone === true && (flagsOf(buffer, destination) & CONE_FLAG) !== 0) {
      peers.trust(peer, now);
      peers.lastReceived[peer] = now;
      return peer;
    }
    this.entropy.fill(this.random);
    peers.proofHigh[peer] = readUint32(this.random, 0);
    peers.proofLow[peer] = readUint32(this.random, 4);
    counters.contactsBegun++;
    this.contacts.begin(peer, now, sourceHigh, sourceLow);
    if (this.nextSweep === Infinity) this.nextSweep = now + SWEEP_INTERVAL_MS;
    return peer;
  }

  /** one bubble, or pair of bubbles, as far as the budgets go. */
  private attempt(contact: Contact, now: number): void {
    if (!this.peers.mayBubble(contact.peer, now)) this.counters.droppedBubbleBudget++;
    else this.sendBubble(contact.peer, now);
  }

  private sendBubble(peer: number, now: number): void {
    const { counters, peers } = this;
    const server = peers.serverOf(peer);
    if (!this.budgets.takeServer(server, now)) {
      counters.droppedServerLimit++;
      return;
    }
    const bubble = this.makeBubble(peer);
    peers.countBubble(peer, now);
    counters.bubblesSent++;
    this.commands.transmit(SOCKET.service, bubble, 0, IPV6_HEADER, server, TEREDO_PORT);
    if (this.options.directBubbles !== true) return;
    const mapped = peers.mappedAddress[peer]!;
    if (!this.budgets.takeClient(mapped, now)) return;
    this.commands.transmit(SOCKET.service, bubble, 0, IPV6_HEADER, mapped, peers.mappedPort[peer]!);
  }

  /** From fe80:: and 64 bits that only who gets the bubble knows, to the client. A-26 */
  private makeBubble(peer: number): Uint8Array {
    const { peers } = this;
    const bubble = new Uint8Array(IPV6_HEADER);
    const addresses = new Uint8Array(32);
    writeUint32(addresses, 0, 0xfe800000);
    writeUint32(addresses, 8, peers.proofHigh[peer]!);
    writeUint32(addresses, 12, peers.proofLow[peer]!);
    peers.writeAddress(peer, addresses, 16);
    writeBubble(bubble, 0, addresses, 0, addresses, 16, BUBBLE_HOP_LIMIT);
    return bubble;
  }

  private isProof(buffer: Uint8Array, offset: number, peer: number): boolean {
    return (
      readUint32(buffer, offset) === 0xfe800000 &&
      readUint32(buffer, offset + 4) === 0 &&
      readUint32(buffer, offset + 8) === this.peers.proofHigh[peer] &&
      readUint32(buffer, offset + 12) === this.peers.proofLow[peer]
    );
  }

  /** The client has answered the bubble: it is there, behind this mapping. R-22 */
  private handleAnswer(peer: number, address: Ipv4, port: number, now: number): void {
    const { counters, peers } = this;
    if (!peers.trust(peer, now)) {
      counters.droppedPeerTableFull++;
      return;
    }
    peers.mappedAddress[peer] = address;
    peers.mappedPort[peer] = port;
    peers.resetBubbles(peer);
    this.heard(peer, now);
  }

  /** A trusted peer was heard: whatever waited for that goes out. */
  private heard(peer: number, now: number): void {
    const { peers, counters } = this;
    peers.lastReceived[peer] = now;
    peers.resetBubbles(peer);
    const contact = this.contacts.finish(peer);
    if (contact === undefined) return;
    counters.contactsAnswered++;
    this.budgets.reward(contact, peers.serverOf(peer), peers.mappedAddress[peer]!, now);
    for (const packet of contact.waiting) this.send(peer, packet, 0, packet.length, now);
  }

  private send(peer: number, buffer: Uint8Array, start: number, end: number, now: number): void {
    const { peers } = this;
    peers.lastSent[peer] = now;
    this.counters.relayedToClients++;
    this.commands.transmit(SOCKET.service, buffer, start, end, peers.mappedAddress[peer]!, peers.mappedPort[peer]!);
  }

  /** The peer may have lost its mapping: a bubble beside the data that goes on. */
  private ask(peer: number, now: number): void {
    if (now - this.peers.lastBubble[peer]! < QUESTION_SPACING_MS) return;
    if (this.peers.mayBubble(peer, now)) this.sendBubble(peer, now);
  }

  private failed(contact: Contact, now: number): void {
    this.counters.contactsFailed++;
    this.counters.droppedNoAnswer += contact.waiting.length;
    for (const packet of contact.waiting) this.errors.unreachable(packet, 0, now);
  }
}
