import type { Crowd } from './crowd.ts';
import type { Crossing } from './crowd-process.ts';
import { Again } from './machine/watch.ts';

type Meeting = Pick<Crowd, 'meet' | typeof Symbol.asyncDispose>;

/** Clients that a relay does not know yet. When it has met all of them, there is another relay. */
export class NewClients<C extends Meeting = Crowd> implements AsyncDisposable {
  private readonly open: () => Promise<C>;
  private readonly first: number;
  private readonly end: number;
  private next: number;
  private opened: C | undefined;

  /** `first`, `end`: the clients are those in [first, end). */
  constructor(open: () => Promise<C>, first: number, end: number) {
    this.open = open;
    this.first = this.next = first;
    this.end = end;
  }

  get crowd(): C {
    return this.opened!;
  }

  /** To be called before each {@link meet}. */
  async prepare(): Promise<void> {
    if (this.opened !== undefined && this.next < this.end) return;
    await this[Symbol.asyncDispose]();
    this.opened = await this.open();
    this.next = this.first;
  }

  /** Throws {@link Again} if they were too few for that time. */
  async meet(seconds: number, generators: number): Promise<Crossing> {
    const crossing = await this.crowd.meet(this.next, this.end, seconds, generators);
    this.next += crossing.sent;
    if (this.next >= this.end) throw new Again('the relay has met all clients');
    return crossing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { opened } = this;
    this.opened = undefined;
    await opened?.[Symbol.asyncDispose]();
  }
}
