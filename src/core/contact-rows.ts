import { KeptPackets } from './kept-packets.ts';
import { Payments } from './payments.ts';
import type { Payment, Requester } from './payments.ts';
import { Neighbours, RowLists } from './row-lists.ts';
import { NO_ROW, PAGE_ROWS, Rows, inPage } from './rows.ts';

/** Which list of holders of packets a contact is in. */
export const HOLDS_NOTHING = 0;
export const HOLDS = 1;
export const HOLDS_OWN = 2;

/** The columns of contacts, and the rows of their packets and payments. */
export class ContactRows {
  readonly packets = new KeptPackets();
  readonly payments = new Payments();
  /** In due order; and by the time since when they hold packets. */
  readonly due: RowLists;
  readonly holders: RowLists;
  private readonly rows = new Rows(() => new Page());

  constructor() {
    this.due = new RowLists((row) => this.rows.pageOf(row).due);
    this.holders = new RowLists((row) => this.rows.pageOf(row).holders);
  }

  /** Rows of contacts, packets and payments in use. */
  get inUse(): number {
    return this.rows.inUse + this.packets.count + this.payments.count;
  }

  pageOf(contact: number): Page {
    return this.rows.pageOf(contact);
  }

  take(peer: number, requestedBy: Requester | undefined, isOwn: boolean): number {
    const contact = this.rows.take();
    const page = this.rows.pageOf(contact);
    const i = inPage(contact);
    page.peer[i] = peer;
    page.attempts[i] = page.holds[i] = page.waiting[i] = page.waitingBytes[i] = 0;
    page.isOwn[i] = Number(isOwn);
    page.isRequested[i] = Number(requestedBy !== undefined);
    if (requestedBy !== undefined)
      for (let word = 0; word < 4; word++) page.requester[4 * i + word] = requestedBy[word]!;
    page.firstPacket[i] = page.lastPacket[i] = page.firstPayment[i] = page.lastPayment[i] = NO_ROW;
    return contact;
  }

  give(contact: number): void {
    const page = this.rows.pageOf(contact);
    this.packets.drop(page.firstPacket[inPage(contact)]!);
    this.payments.drop(page.firstPayment[inPage(contact)]!);
    this.rows.give(contact);
  }

  peerOf(contact: number): number {
    return this.rows.pageOf(contact).peer[inPage(contact)]!;
  }

  /** Attempts made so far. */
  attemptsOf(contact: number): number {
    return this.rows.pageOf(contact).attempts[inPage(contact)]!;
  }

  /** Whether the local host wants the contact. If not, strangers alone have caused it, and its packets give way to those of the local host. */
  isOwn(contact: number): boolean {
    return this.rows.pageOf(contact).isOwn[inPage(contact)] === 1;
  }

  /** When the next attempt, or failure, is due (ms). */
  dueAtOf(contact: number): number {
    return this.rows.pageOf(contact).dueAt[inPage(contact)]!;
  }

  /** The host that caused the contact, if a budget depends on it. */
  requesterOf(contact: number): Requester | undefined {
    const { isRequested, requester } = this.rows.pageOf(contact);
    const i = inPage(contact);
    if (isRequested[i] === 0) return undefined;
    const at = 4 * i;
    return [requester[at]!, requester[at + 1]!, requester[at + 2]!, requester[at + 3]!];
  }

  /** Number and octets of the packets for the peer. */
  waitingOf(contact: number): number {
    return this.rows.pageOf(contact).waiting[inPage(contact)]!;
  }

  waitingBytesOf(contact: number): number {
    return this.rows.pageOf(contact).waitingBytes[inPage(contact)]!;
  }

  /** The packet that has waited for longest, or NO_ROW. */
  firstPacketOf(contact: number): number {
    return this.rows.pageOf(contact).firstPacket[inPage(contact)]!;
  }

  /** Copies of the packets for the peer, oldest first. */
  *packetsOf(contact: number): Generator<Uint8Array> {
    const { packets } = this;
    for (let row = this.firstPacketOf(contact); row !== NO_ROW; row = packets.nextOf(row))
      yield packets.bytesOf(row);
  }

  /** Keeps a copy of `buffer[start, end)`. */
  keep(contact: number, buffer: Uint8Array, start: number, end: number): void {
    const page = this.rows.pageOf(contact);
    const i = inPage(contact);
    const packet = this.packets.add(buffer, start, end);
    if (page.firstPacket[i] === NO_ROW) page.firstPacket[i] = packet;
    else this.packets.link(page.lastPacket[i]!, packet);
    page.lastPacket[i] = packet;
    page.waiting[i]!++;
    page.waitingBytes[i]! += end - start;
  }

  dropPackets(contact: number): void {
    const page = this.rows.pageOf(contact);
    const i = inPage(contact);
    this.packets.drop(page.firstPacket[i]!);
    page.firstPacket[i] = page.lastPacket[i] = NO_ROW;
    page.waiting[i] = page.waitingBytes[i] = 0;
  }

  /** Notes a payment for an attempt. */
  pay(contact: number, payment: Payment): void {
    const page = this.rows.pageOf(contact);
    const i = inPage(contact);
    const row = this.payments.add(payment);
    if (page.firstPayment[i] === NO_ROW) page.firstPayment[i] = row;
    else this.payments.link(page.lastPayment[i]!, row);
    page.lastPayment[i] = row;
  }

  /** The first payment for its attempts, or NO_ROW. */
  firstPaymentOf(contact: number): number {
    return this.rows.pageOf(contact).firstPayment[inPage(contact)]!;
  }

  /** Copies of the payments for its attempts. */
  paymentsOf(contact: number): Payment[] {
    const found: Payment[] = [];
    for (let row = this.firstPaymentOf(contact); row !== NO_ROW; row = this.payments.nextOf(row))
      found.push(this.payments.copyOf(row));
    return found;
  }
}

export class Page {
  readonly peer = new Int32Array(PAGE_ROWS);
  readonly attempts = new Uint8Array(PAGE_ROWS);
  readonly isOwn = new Uint8Array(PAGE_ROWS);
  readonly holds = new Uint8Array(PAGE_ROWS);
  readonly dueAt = new Float64Array(PAGE_ROWS);
  readonly isRequested = new Uint8Array(PAGE_ROWS);
  /** Four words each. */
  readonly requester = new Float64Array(4 * PAGE_ROWS);
  readonly waiting = new Uint32Array(PAGE_ROWS);
  readonly waitingBytes = new Uint32Array(PAGE_ROWS);
  readonly firstPacket = new Int32Array(PAGE_ROWS);
  readonly lastPacket = new Int32Array(PAGE_ROWS);
  readonly firstPayment = new Int32Array(PAGE_ROWS);
  readonly lastPayment = new Int32Array(PAGE_ROWS);
  readonly due = new Neighbours();
  readonly holders = new Neighbours();
}
