import type { CommandRing } from '../commands.ts';
import { NO_PEER, TRUSTED } from '../peer-table.ts';
import type { PeerTable } from '../peer-table.ts';

/** How precisely the kernel path knows when the machine last heard a peer. */
const FRESHNESS_MS = 1_000;
/** The lower half of a peer's byte is the generation; the upper half is the second in which the peer was offered, modulo 16. */
const LAST_GENERATION = 15;
const GENERATION = 0x0f;

/** Peers that are looked at in one step: to put as many into the kernel's table takes less than a millisecond. */
const STEP = 256;

/**
 * Decides which trusted peers are offered to the kernel path. A peer is offered when the machine hears it. When the kernel path has forgotten
 * its peers, a new generation begins, and each peer is offered again with its next packet in either direction. One byte for each peer holds
 * the generation and the second of its last offer.
 */
export class Offload {
  private readonly commands: CommandRing;
  private readonly peers: PeerTable;
  private readonly scratch = new Uint8Array(16);
  private generation = 1;
  private on: boolean;

  constructor(commands: CommandRing, peers: PeerTable, on: boolean) {
    this.commands = commands;
    this.peers = peers;
    this.on = on;
  }

  /** Whether this peer has been offered to the kernel path. */
  has(peer: number): boolean {
    return this.on && this.isOffered(peer);
  }

  /** The machine itself has received a packet from a trusted peer. */
  heard(peer: number, now: number): void {
    this.note(peer, now);
    if (!this.on) return;
    if (this.peers.offered[peer] !== (this.generation | secondOf(now))) this.offer(peer, secondOf(now));
  }

  /** The same, for a peer that is not to be offered yet. */
  note(peer: number, now: number): void {
    if (!this.on) return;
    this.peers.heardHere.set(peer, now);
  }

  /** A packet is sent to a valid peer. */
  sent(peer: number): void {
    if (this.on && !this.isOffered(peer)) this.offer(peer, 0);
  }

  /** Offers all valid peers, some at each step. The table may change between steps. */
  *offerAll(now: number): Generator<void> {
    let seen = 0;
    for (const peer of this.peers.walkInSteps()) {
      if (peer !== NO_PEER && this.peers.isValid(peer, now)) this.sent(peer);
      if (peer === NO_PEER || ++seen % STEP === 0) yield;
    }
  }

  /** The peer is being removed, has lost trust, or has another address and port. */
  withdraw(peer: number): void {
    if (this.has(peer)) {
      this.peers.writeAddress(peer, this.scratch, 0);
      this.commands.unload(this.scratch, 0);
    }
    this.peers.offered[peer] = 0;
  }

  /**
   * The trusted peer with the address at `buffer[offset]`, whose packets were carried. If there is none: NO_PEER, and the kernel path
   * is to carry no more of them.
   */
  findCarried(buffer: Uint8Array, offset: number): number {
    const peer = this.peers.find(buffer, offset);
    if (peer !== NO_PEER && this.peers.status[peer] === TRUSTED) return peer;
    this.commands.unload(buffer, offset);
    return NO_PEER;
  }

  /** The kernel path has forgotten all peers. */
  reset(): void {
    if (this.generation < LAST_GENERATION) {
      this.generation++;
    } else {
      this.peers.offered.fill(0);
      this.generation = 1;
    }
  }

  set(on: boolean): void {
    // Until now nothing was carried.
    if (on && !this.on) this.peers.heardHere.copy(this.peers.lastReceived);
    this.on = on;
    this.reset();
  }

  private isOffered(peer: number): boolean {
    return (this.peers.offered[peer]! & GENERATION) === this.generation;
  }

  private offer(peer: number, second: number): void {
    const { peers, scratch } = this;
    peers.offered[peer] = this.generation | second;
    peers.writeAddress(peer, scratch, 0);
    // Not `lastReceived`: a firewall rule may block the socket while the kernel path still receives, so carried packets do not count here.
    const heardAt = peers.heardHere.at(peer);
    const { mappedAddress, mappedPort } = peers;
    const socket = peers.socket.length > 0 ? peers.socket[peer]! : 0; // a relay has one socket only
    this.commands.offload(scratch, 0, mappedAddress[peer], mappedPort[peer], heardAt, socket);
  }
}

/** The second of an instant, modulo 16, in the upper half of a byte. A peer is offered at most once in each. */
function secondOf(instant: number): number {
  return (Math.floor(instant / FRESHNESS_MS) & 0x0f) << 4;
}
