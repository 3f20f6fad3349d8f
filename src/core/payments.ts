import { NO_ROW, PAGE_ROWS, Rows, inPage } from './rows.ts';

/** The part of a budget from which an attempt was paid: the shared part, or the reserve. */
export type PaidFrom = 'shared' | 'reserve';

/** Four 32-bit words: the IPv6 address of a native host; or 0, IPv4 address, 0, port of a client that reaches other clients through this relay. */
export type Requester = readonly [number, number, number, number];

/** The payment for a test or a bubble. */
export interface Payment {
  readonly from: PaidFrom;
  /** ms */
  readonly at: number;
  /** Of a relay: the host that caused the bubble; the part of its budget, if it gave a token; whether a direct bubble was sent, too. */
  readonly requester?: Requester;
  readonly source?: PaidFrom | undefined;
  readonly isDirect?: boolean;
}

export type WholePayment = Payment & Required<Pick<Payment, 'requester' | 'source' | 'isDirect'>>;

const PARTS = [undefined, 'shared', 'reserve'] as const;
const NOBODY: Requester = [0, 0, 0, 0];

/** Payments, in columns. */
export class Payments {
  private readonly rows = new Rows(() => new Page());
  private readonly words: [number, number, number, number] = [0, 0, 0, 0];
  private readonly found: { -readonly [K in keyof WholePayment]: WholePayment[K] } = {
    from: 'shared',
    at: 0,
    requester: this.words,
    source: undefined,
    isDirect: false,
  };

  get count(): number {
    return this.rows.inUse;
  }

  add({ from, at, requester = NOBODY, source, isDirect = false }: Payment): number {
    const row = this.rows.take();
    const page = this.rows.pageOf(row);
    const i = inPage(row);
    page.from[i] = PARTS.indexOf(from);
    page.at[i] = at;
    for (let word = 0; word < 4; word++) page.requester[4 * i + word] = requester[word]!;
    page.source[i] = PARTS.indexOf(source);
    page.isDirect[i] = Number(isDirect);
    page.next[i] = NO_ROW;
    return row;
  }

  /** Valid until the next call: it is always the same object. */
  read(row: number): WholePayment {
    const { found, words } = this;
    const page = this.rows.pageOf(row);
    const i = inPage(row);
    found.from = PARTS[page.from[i]!]!;
    found.at = page.at[i]!;
    for (let word = 0; word < 4; word++) words[word] = page.requester[4 * i + word]!;
    found.source = PARTS[page.source[i]!];
    found.isDirect = page.isDirect[i] === 1;
    return found;
  }

  copyOf(row: number): WholePayment {
    const payment = this.read(row);
    return { ...payment, requester: [...payment.requester] };
  }

  /** The payment that follows this one, or NO_ROW. */
  nextOf(row: number): number {
    return this.rows.pageOf(row).next[inPage(row)]!;
  }

  /** Lets a payment follow another one. */
  link(row: number, next: number): void {
    this.rows.pageOf(row).next[inPage(row)] = next;
  }

  /** Gives back this payment and those that follow it. */
  drop(first: number): void {
    for (let row = first; row !== NO_ROW;) {
      const next = this.nextOf(row);
      this.rows.give(row);
      row = next;
    }
  }
}

/** The times (ms) of the payments from this part of the budget. */
export function timesOf(paid: readonly Payment[], from: PaidFrom): number[] {
  return paid.filter((payment) => payment.from === from).map(({ at }) => at);
}

class Page {
  readonly from = new Uint8Array(PAGE_ROWS);
  readonly at = new Float64Array(PAGE_ROWS);
  /** Four words each; of a client that meets others the second one may be longer than 32 bits. */
  readonly requester = new Float64Array(4 * PAGE_ROWS);
  readonly source = new Uint8Array(PAGE_ROWS);
  readonly isDirect = new Uint8Array(PAGE_ROWS);
  readonly next = new Int32Array(PAGE_ROWS);
}
