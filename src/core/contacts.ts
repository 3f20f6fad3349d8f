/**
 * Contact procedures: an exchange of bubbles, or a connectivity test, with a peer that may not be sent to yet
 * (RFC 4380 sections 5.2.4, 5.4.1). Holds the packets that wait for it, first in first out, and repeats an attempt every
 * 2 s; after the fourth has gone unanswered the procedure has failed. CL-62, CL-65, R-8
 */
import { CONTACT_ATTEMPTS, CONTACT_TIMEOUT_MS } from './constants.ts';

export interface Contact<P extends Payment = Payment> {
  readonly peer: number;
  /** Attempts made so far. */
  attempts: number;
  /** What was paid for its attempts, where there is a budget. */
  readonly paid: P[];
  /** Whether the local host wants it: strangers have not caused all of it. What waits for it makes no room for what waits for others. */
  isOwn: boolean;
  /** When the next attempt, or failure, is due (ms). */
  dueAt: number;
  /** Copies of the packets that wait, oldest first. */
  readonly waiting: Uint8Array[];
  waitingBytes: number;
  /** Who wanted it, where a budget depends on that. */
  readonly requestedBy: Requester | undefined;
}

/** Where an attempt was paid from: the part of a budget that all share, or what there is besides. */
export type PaidFrom = 'shared' | 'reserve';

export interface Payment {
  readonly from: PaidFrom;
  /** ms */
  readonly at: number;
}

/** In four 32-bit words the IPv6 address of a native host; or 0, the IPv4 address, 0 and the port of a client that meets others. */
export type Requester = readonly [number, number, number, number];

export interface ContactLimits {
  /** Packets and bytes that may wait for one peer. CL-68, R-9 */
  readonly packetsPerPeer: number;
  readonly bytesPerPeer: number;
  /** Bytes that may wait altogether; then those of the oldest contact go first. */
  readonly bytes: number;
}

export const CONTACT_LIMITS: ContactLimits = { packetsPerPeer: 32, bytesPerPeer: 64 << 10, bytes: 8 << 20 };

export interface ContactActions<P extends Payment = Payment> {
  /** Send what the procedure sends. Called at once when a contact begins, and at each repetition. */
  attempt(contact: Contact<P>, now: number): void;
  /** No answer to any attempt. The contact is gone already. */
  failed(contact: Contact<P>, now: number): void;
  /** So many packets of the longest waiting contact have made room for those of another. */
  crowdedOut(packets: number, peer: number): void;
}

export class Contacts<P extends Payment = Payment> {
  /** By peer. All wait equally long, so insertion order is the order in which they are due. */
  private readonly contacts = new Map<number, Contact<P>>();
  /** Those for which packets wait, the longest waiting first; the second are the local host's own. */
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

  /**
   * Begins with the first attempt; returns the contact, or the one that is under way already. `isOwn`: the local host wants it, from now on at
   * the latest. A contact that becomes the local host's makes all its attempts anew.
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

  /** Ends the contact with this peer, if there is one; the packets that waited are the caller's to send or drop. */
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

  /** The oldest go first: a contact that will be answered mostly is within its first second. */
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
    this.contacts.delete(contact.peer); // to the end of the line
    this.attempt(contact, now);
  }

  /** Out of a chunk that many copies share: a third of the cost of memory of its own for each. */
  private copy(buffer: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (this.chunkUsed + length > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(CHUNK_BYTES, length));
      this.chunkUsed = 0;
    }
    const at = this.chunkUsed;
    this.chunkUsed += length;
    this.chunk.set(buffer.subarray(start, end), at);
    return this.chunk.subarray(at, at + length);
  }

  private release(contact: Contact<P>): void {
    this.holders.delete(contact);
    this.ownHolders.delete(contact);
    this.bytes -= contact.waitingBytes;
  }
}

/** When attempts were paid from there (ms). */
export function timesOf(paid: readonly Payment[], from: PaidFrom): number[] {
  return paid.filter((payment) => payment.from === from).map(({ at }) => at);
}

const CHUNK_BYTES = 16 << 10;
