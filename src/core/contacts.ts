/**
 * Contact procedures: an exchange of bubbles, or a connectivity test, with a peer to which packets may not be sent yet
 * (RFC 4380 sections 5.2.4, 5.4.1). Holds the packets for the peer, first in first out, and repeats the attempt every
 * 2 s. The procedure has failed when the fourth attempt gets no answer. CL-62, CL-65, R-8
 *
 * A contact is the number of a row in columns, so that a new one allocates nothing.
 */
import { CONTACT_ATTEMPTS, CONTACT_TIMEOUT_MS } from './constants.ts';
import { ContactRows, HOLDS_NOTHING, HOLDS, HOLDS_OWN } from './contact-rows.ts';
import type { Requester } from './payments.ts';
import { RowList } from './row-lists.ts';
import { NO_ROW, inPage } from './rows.ts';
import { RowsByPeer } from './rows-by-peer.ts';

/** Attempts and ends of contacts at one timeout: a turn of a millisecond or two. */
const DUE_AT_ONCE = 128;

/** No such contact. */
export const NO_CONTACT = NO_ROW;

export interface ContactLimits {
  /** Most packets and bytes that wait for one peer. CL-68, R-9 */
  readonly packetsPerPeer: number;
  readonly bytesPerPeer: number;
  /** Most bytes that wait for all peers. Beyond that the packets of the oldest contact are dropped first. */
  readonly bytes: number;
}

export const CONTACT_LIMITS: ContactLimits = { packetsPerPeer: 32, bytesPerPeer: 64 << 10, bytes: 8 << 20 };

export interface ContactActions {
  /** Send the bubbles or the test of this contact. Called when a contact begins, before `begin` returns, and at each repetition. */
  attempt(contact: number, now: number): void;
  /** No attempt was answered. The contact is over, and is released when the call returns. */
  failed(contact: number, now: number): void;
  /** This many packets of the longest waiting contact were dropped to make room for those of another. */
  crowdedOut(packets: number, peer: number): void;
}

export class Contacts {
  readonly rows = new ContactRows();
  private readonly byPeer = new RowsByPeer();
  /** All wait for the same time, so that the order in which they are added is due order. */
  private readonly due = new RowList();
  /** Contacts that hold packets, the longest waiting first: those of strangers, and those that the local host wants. */
  private readonly holders = new RowList();
  private readonly ownHolders = new RowList();
  private readonly actions: ContactActions;
  private readonly limits: ContactLimits;
  private bytes = 0;

  constructor(actions: ContactActions, limits: ContactLimits = CONTACT_LIMITS) {
    this.actions = actions;
    this.limits = limits;
  }

  /** Whether no contact is under way. */
  get isEmpty(): boolean {
    return this.due.first === NO_ROW;
  }

  /** The contact with this peer, or NO_CONTACT. */
  get(peer: number): number {
    return this.byPeer.get(peer);
  }

  /** Packets that wait. Those for one peer are in order. */
  *packets(): Generator<Uint8Array> {
    const { rows } = this;
    for (let row = this.due.first; row !== NO_ROW; row = rows.due.after(row)) yield* rows.packetsOf(row);
  }

  /**
   * Begins a contact with its first attempt and returns it; or returns the contact that is already under way. `isOwn`: the local host wants it.
   * If strangers had caused the contact until now, its attempts start again.
   */
  begin(peer: number, now: number, requestedBy?: Requester, isOwn = false): number {
    const present = this.byPeer.get(peer);
    if (present !== NO_CONTACT) {
      if (isOwn && !this.rows.isOwn(present)) this.own(present, now);
      return present;
    }
    const contact = this.rows.take(peer, requestedBy, isOwn);
    this.byPeer.add(peer, contact);
    this.attempt(contact, now);
    return contact;
  }

  /** Keeps a copy of `buffer[start, end)` until the contact succeeds; false when its queue is full. */
  enqueue(contact: number, buffer: Uint8Array, start: number, end: number): boolean {
    const { rows } = this;
    const length = end - start;
    const { packetsPerPeer, bytesPerPeer, bytes } = this.limits;
    if (rows.waitingOf(contact) >= packetsPerPeer || rows.waitingBytesOf(contact) + length > bytesPerPeer)
      return false;
    if (length > bytes) return false;
    this.makeRoom(this.holders, bytes - length);
    if (rows.isOwn(contact)) this.makeRoom(this.ownHolders, bytes - length);
    if (this.bytes + length > bytes) return false;
    this.hold(contact);
    rows.keep(contact, buffer, start, end);
    this.bytes += length;
    return true;
  }

  /**
   * Ends the contact with this peer; NO_CONTACT: there is none. The caller sends or drops its packets, and then gives the contact back by
   * {@link release}.
   */
  finish(peer: number): number {
    const contact = this.byPeer.get(peer);
    if (contact === NO_CONTACT) return NO_CONTACT;
    this.rows.due.remove(this.due, contact);
    this.end(contact);
    return contact;
  }

  /** The contact is over, and nothing of it is needed any more. */
  release(contact: number): void {
    this.rows.give(contact);
  }

  /** Of very many contacts that are due, some: {@link pollTimeout} is then in the past. */
  handleTimeout(now: number): void {
    const { due, rows } = this;
    for (let left = DUE_AT_ONCE; left > 0; left--) {
      const contact = due.first;
      if (contact === NO_ROW || rows.dueAtOf(contact) > now) return;
      rows.due.remove(due, contact);
      if (rows.attemptsOf(contact) < CONTACT_ATTEMPTS) {
        this.attempt(contact, now);
        continue;
      }
      this.end(contact);
      this.actions.failed(contact, now);
      this.release(contact);
    }
  }

  pollTimeout(): number {
    return this.isEmpty ? Infinity : this.rows.dueAtOf(this.due.first);
  }

  private attempt(contact: number, now: number): void {
    const { rows } = this;
    const page = rows.pageOf(contact);
    page.attempts[inPage(contact)]!++;
    page.dueAt[inPage(contact)] = now + CONTACT_TIMEOUT_MS;
    rows.due.append(this.due, contact);
    this.actions.attempt(contact, now);
  }

  /** Drops the packets of the oldest contacts first: most contacts that are answered are answered within their first second. */
  private makeRoom(holders: RowList, most: number): void {
    for (let oldest = holders.first; oldest !== NO_ROW && this.bytes > most; oldest = holders.first) {
      this.letGo(oldest);
      this.actions.crowdedOut(this.rows.waitingOf(oldest), this.rows.peerOf(oldest));
      this.rows.dropPackets(oldest);
    }
  }

  private own(contact: number, now: number): void {
    const { rows } = this;
    const page = rows.pageOf(contact);
    const holds = page.holds[inPage(contact)] !== HOLDS_NOTHING;
    if (holds) rows.holders.remove(this.holders, contact);
    page.isOwn[inPage(contact)] = 1;
    page.holds[inPage(contact)] = HOLDS_NOTHING;
    if (holds) this.hold(contact);
    page.attempts[inPage(contact)] = 0;
    rows.due.remove(this.due, contact); // so that it is added again as the last one
    this.attempt(contact, now);
  }

  /** It holds packets: the last one of its list, unless it is there already. */
  private hold(contact: number): void {
    const { rows } = this;
    const page = rows.pageOf(contact);
    if (page.holds[inPage(contact)] !== HOLDS_NOTHING) return;
    const isOwn = rows.isOwn(contact);
    page.holds[inPage(contact)] = isOwn ? HOLDS_OWN : HOLDS;
    rows.holders.append(isOwn ? this.ownHolders : this.holders, contact);
  }

  /** Its packets no longer count. */
  private letGo(contact: number): void {
    const { rows } = this;
    const page = rows.pageOf(contact);
    const holds = page.holds[inPage(contact)]!;
    if (holds === HOLDS_NOTHING) return;
    rows.holders.remove(holds === HOLDS_OWN ? this.ownHolders : this.holders, contact);
    page.holds[inPage(contact)] = HOLDS_NOTHING;
    this.bytes -= rows.waitingBytesOf(contact);
  }

  private end(contact: number): void {
    this.byPeer.remove(this.rows.peerOf(contact));
    this.letGo(contact);
  }
}
