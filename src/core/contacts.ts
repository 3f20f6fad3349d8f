/**
 * Contact procedures: an exchange of bubbles, or a connectivity test, with a peer to which packets may not be sent yet
 * (RFC 4380 sections 5.2.4, 5.4.1). Holds the packets for the peer, first in first out, and repeats the attempt every
 * 2 s. The procedure has failed when the fourth attempt gets no answer. CL-62, CL-65, R-8
 */
import { CONTACT_ATTEMPTS, CONTACT_TIMEOUT_MS } from './constants.ts';
import { copyBytes } from '../wire/index.ts';

export interface Contact<P extends Payment = Payment> {
  readonly peer: number;
  /** Attempts made so far. */
  attempts: number;
  /** The payments for its attempts, if there is a budget. */
  readonly paid: P[];
  /** Whether the local host wants the contact. If not, strangers alone have caused it, and its packets give way to those of the local host. */
  isOwn: boolean;
  /** When the next attempt, or failure, is due (ms). */
  dueAt: number;
  /** Copies of the packets for the peer, oldest first. */
  readonly waiting: Uint8Array[];
  waitingBytes: number;
  /** The host that caused the contact, if a budget depends on it. */
  readonly requestedBy: Requester | undefined;
}

/** The part of a budget from which an attempt was paid: the shared part, or the reserve. */
export type PaidFrom = 'shared' | 'reserve';

export interface Payment {
  readonly from: PaidFrom;
  /** ms */
  readonly at: number;
}

/** Four 32-bit words: the IPv6 address of a native host; or 0, IPv4 address, 0, port of a client that reaches other clients through this relay. */
export type Requester = readonly [number, number, number, number];

export interface ContactLimits {
  /** Most packets and bytes that wait for one peer. CL-68, R-9 */
  readonly packetsPerPeer: number;
  readonly bytesPerPeer: number;
  /** Most bytes that wait for all peers. Beyond that the packets of the oldest contact are dropped first. */
  readonly bytes: number;
}

export const CONTACT_LIMITS: ContactLimits = { packetsPerPeer: 32, bytesPerPeer: 64 << 10, bytes: 8 << 20 };

export interface ContactActions<P extends Payment = Payment> {
  /** Send the bubbles or the test of this contact. Called when a contact begins, before `begin` returns, and at each repetition. */
  attempt(contact: Contact<P>, now: number): void;
  /** No attempt was answered. The contact has already been removed. */
  failed(contact: Contact<P>, now: number): void;
  /** This many packets of the longest waiting contact were dropped to make room for those of another. */
  crowdedOut(packets: number, peer: number): void;
}

export class Contacts<P extends Payment = Payment> {
  /** By peer. All wait for the same time, so insertion order is due order. */
  private readonly contacts = new Map<number, Contact<P>>();
  /** Contacts that hold packets, the longest waiting first: those of strangers, and those that the local host wants. */
  private readonly holders = new Set<Contact<P>>();
  private readonly ownHolders = new Set<Contact<P>>();
  private readonly actions: ContactActions<P>;
  private readonly limits: ContactLimits;
  private bytes = 0;
  private chunk = new Uint8Array(0);
  private chunkUsed = 0;

  constructor(actions: ContactActions<P>, limits: ContactLimits = CONTACT_LIMITS) {
    this.actions = actions;
    this.limits = limits;
  }

  get size(): number {
    return this.contacts.size;
  }

  get(peer: number): Contact<P> | undefined {
    return this.contacts.get(peer);
  }

  /** Packets that wait. Those for one peer are in order. */
  *packets(): Generator<Uint8Array> {
    for (const { waiting } of this.contacts.values()) yield* waiting;
  }

  /**
   * Begins a contact with its first attempt and returns it; or returns the contact that is already under way. `isOwn`: the local host wants it.
   * If strangers had caused the contact until now, its attempts start again.
   */
  begin(peer: number, now: number, requestedBy?: Requester, isOwn = false): Contact<P> {
    const present = this.contacts.get(peer);
    if (present !== undefined) {
      if (isOwn && !present.isOwn) this.own(present, now);
      return present;
    }
    const contact: Contact<P> = {
      peer,
      attempts: 0,
      paid: [],
      isOwn,
      dueAt: 0,
      waiting: [],
      waitingBytes: 0,
      requestedBy,
    };
    this.attempt(contact, now);
    return contact;
  }

  /** Keeps a copy of `buffer[start, end)` until the contact succeeds; false when its queue is full. */
  enqueue(contact: Contact<P>, buffer: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    const { packetsPerPeer, bytesPerPeer, bytes } = this.limits;
    if (contact.waiting.length >= packetsPerPeer || contact.waitingBytes + length > bytesPerPeer)
      return false;
    if (length > bytes) return false;
    this.makeRoom(this.holders, bytes - length);
    if (contact.isOwn) this.makeRoom(this.ownHolders, bytes - length);
    if (this.bytes + length > bytes) return false;
    (contact.isOwn ? this.ownHolders : this.holders).add(contact);
    contact.waiting.push(this.copy(buffer, start, end));
    contact.waitingBytes += length;
    this.bytes += length;
    return true;
  }

  /** Ends the contact with this peer, if there is one. The caller sends or drops its packets. */
  finish(peer: number): Contact<P> | undefined {
    const contact = this.contacts.get(peer);
    if (contact === undefined) return undefined;
    this.contacts.delete(peer);
    this.release(contact);
    return contact;
  }

  handleTimeout(now: number): void {
    for (const contact of this.contacts.values()) {
      if (contact.dueAt > now) return;
      this.contacts.delete(contact.peer);
      if (contact.attempts < CONTACT_ATTEMPTS) {
        this.attempt(contact, now);
      } else {
        this.release(contact);
        this.actions.failed(contact, now);
      }
    }
  }

  pollTimeout(): number {
    for (const contact of this.contacts.values()) return contact.dueAt;
    return Infinity;
  }

  private attempt(contact: Contact<P>, now: number): void {
    contact.attempts++;
    contact.dueAt = now + CONTACT_TIMEOUT_MS;
    this.contacts.set(contact.peer, contact);
    this.actions.attempt(contact, now);
  }

  /** Drops the packets of the oldest contacts first: most contacts that are answered are answered within their first second. */
  private makeRoom(holders: ReadonlySet<Contact<P>>, most: number): void {
    for (const oldest of holders) {
      if (this.bytes <= most) break;
      this.release(oldest);
      this.actions.crowdedOut(oldest.waiting.length, oldest.peer);
      oldest.waiting.length = 0;
      oldest.waitingBytes = 0;
    }
  }

  private own(contact: Contact<P>, now: number): void {
    contact.isOwn = true;
    if (this.holders.delete(contact)) this.ownHolders.add(contact);
    contact.attempts = 0;
    this.contacts.delete(contact.peer); // so that it is added again as the last one
    this.attempt(contact, now);
  }

  /** Many copies share one chunk: that costs a third of one allocation for each copy. */
  private copy(buffer: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (this.chunkUsed + length > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(CHUNK_BYTES, length));
      this.chunkUsed = 0;
    }
    const at = this.chunkUsed;
    this.chunkUsed += length;
    if (length <= SMALL_BYTES) copyBytes(buffer, start, this.chunk, at, length);
    else this.chunk.set(buffer.subarray(start, end), at);
    return this.chunk.subarray(at, at + length);
  }

  private release(contact: Contact<P>): void {
    this.holders.delete(contact);
    this.ownHolders.delete(contact);
    this.bytes -= contact.waitingBytes;
  }
}

/** The times (ms) of the payments from this part of the budget. */
export function timesOf(paid: readonly Payment[], from: PaidFrom): number[] {
  return paid.filter((payment) => payment.from === from).map(({ at }) => at);
}

const CHUNK_BYTES = 16 << 10;
/** To copy so many octets takes less time than to make a view of them. */
const SMALL_BYTES = 256;
