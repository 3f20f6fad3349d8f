/** The packets that each seat of a row dropped, by place. */
import type { Namespace } from '../src/lab/index.ts';
import { dropsBetween, readBacklogDrops, readDrops } from './machine/drops.ts';
import type { Drops } from './machine/drops.ts';
import type { Measured } from './machine/watch.ts';
import type { Order } from './row.ts';
import type { Seat } from './seats.ts';

export class SeatDrops {
  private readonly read: (seat: Seat) => Drops;
  private readonly order: Order;
  private readonly before = new Map<Seat, Drops>();
  private readonly backlog = new Map<Seat, number>();

  /** `read`: what a seat has dropped since its start. */
  constructor(seats: readonly Seat[], order: Order, read: (seat: Seat) => Drops) {
    this.read = read;
    this.order = order;
    for (const seat of seats) this.before.set(seat, read(seat));
  }

  /** The same for seats with a lab each. */
  static of<S extends Seat>(
    seats: readonly S[],
    order: Order,
    hosts: (seat: S) => readonly Namespace[],
  ): SeatDrops {
    return new SeatDrops(seats, order, (seat) => readDrops(hosts(seat as S)));
  }

  /** Measures a seat; packets that the processors' queues drop meanwhile count for it. `begin`: as of {@link Watch.during}. */
  async during<T>(seat: Seat, work: () => Promise<T>, begin?: () => void): Promise<Measured<T>> {
    const before = readBacklogDrops();
    const measured = await this.order.watch.during(work, begin);
    this.backlog.set(seat, (this.backlog.get(seat) ?? 0) + readBacklogDrops() - before);
    return measured;
  }

  /** Notes what was dropped since the last call, under a name. */
  note(row: string): void {
    for (const [seat, before] of this.before) {
      const now = this.read(seat);
      const backlog = this.backlog.get(seat) ?? 0;
      const drops = { ...dropsBetween(before, now), ...(backlog > 0 ? { backlog } : {}) };
      this.order.results.noteDrops(row, seat, drops);
      this.before.set(seat, now);
      this.backlog.set(seat, 0);
    }
  }
}
