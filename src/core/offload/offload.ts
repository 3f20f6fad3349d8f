import type { CommandRing } from '../commands.ts';
import { NO_PEER, TRUSTED } from '../peer-table.ts';
import type { PeerTable } from '../peer-table.ts';

/** What is carried past the machine needs to know of a peer's last sign of life only so exactly. */
const FRESHNESS_MS = 1_000;
/** The lower half of a peer's byte is the generation, the upper half the second in which the peer was offered, modulo 16. */
const LAST_GENERATION = 15;
const GENERATION = 0x0f;

/**
 * Which trusted peers' packets are to be carried past the machine. A peer is offered when it is heard, and again with the
 * next packet either way when what was offered has been forgotten: each forgetting begins a generation, and a byte a
 * peer says in which one it was offered last, and when.
 */
export class Offload {
  private readonly commands: CommandRing;
  private readonly peers: PeerTable;
  private readonly scratch = new Uint8Array(16);
  /** When the machine itself last received something of each peer, ms: not when something of it was carried. 8 bytes a peer, where there is offloading. */
  private heardHere = new Float64Array(0);
  private generation = 1;
  private on: boolean;

  constructor(commands: CommandRing, peers: PeerTable, on: boolean) {
    this.commands = commands;
    this.peers = peers;
    this.on = on;
  }

  /** Whether somebody has been told to carry this peer's packets. */
  has(peer: number): boolean {
    return this.on && this.isOffered(peer);
  }

  /** The machine itself has received something of a trusted peer. */
  heard(peer: number, now: number): void {
    this.note(peer, now);
    if (!this.on) return;
    if (this.peers.offered[peer] !== (this.generation | secondOf(now))) this.offer(peer, secondOf(now));
  }

  /** The same, of a peer that is not to be offered yet. */
  note(peer: number, now: number): void {
    if (!this.on) return;
    if (peer >= this.heardHere.length) {
      const { heardHere } = this;
      this.heardHere = new Float64Array(this.peers.status.length).fill(-Infinity);
      this.heardHere.set(heardHere);
    }
    this.heardHere[peer] = now;
  }

  /** A packet goes to a valid peer. */
  sent(peer: number): void {
    if (this.on && !this.isOffered(peer)) this.offer(peer, 0);
  }

  /** The peer is leaving, has lost trust, or is no longer where it was. */
  withdraw(peer: number): void {
    if (this.has(peer)) {
      this.peers.writeAddress(peer, this.scratch, 0);
      this.commands.unload(this.scratch, 0);
    }
    this.peers.offered[peer] = 0;
  }

  /**
   * The trusted peer whose address stands at `buffer[offset]` and whose packets were carried; NO_PEER, and an end to
   * that, where there is none.
   */
  findCarried(buffer: Uint8Array, offset: number): number {
    const peer = this.peers.find(buffer, offset);
    if (peer !== NO_PEER && this.peers.status[peer] === TRUSTED) return peer;
    this.commands.unload(buffer, offset);
    return NO_PEER;
  }

  /** Whatever was offered is forgotten. */
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
    if (on && !this.on) this.heardHere = Float64Array.from(this.peers.lastReceived);
    this.on = on;
    this.reset();
  }

  private isOffered(peer: number): boolean {
    return (this.peers.offered[peer]! & GENERATION) === this.generation;
  }

  private offer(peer: number, second: number): void {
    const { peers, scratch } = this;
    if (peers.socket[peer] !== 0) return; // only the first socket's packets are carried
    peers.offered[peer] = this.generation | second;
    peers.writeAddress(peer, scratch, 0);
    // Rules of the host may keep the socket from what has been carried: that is no sign that it hears the peer.
    const heardAt = this.heardHere[peer] ?? -Infinity;
    this.commands.offload(scratch, 0, peers.mappedAddress[peer], peers.mappedPort[peer], heardAt);
  }
}

/** Once in each is often enough to tell when a peer was heard, however many packets come in it. In the upper half of a byte. */
function secondOf(instant: number): number {
  return (Math.floor(instant / FRESHNESS_MS) & 0x0f) << 4;
}
