import { Memory } from '../libc.ts';
import { PAIR_LOOK, PAIR_QUEUE } from './layout.ts';
import { libbpf } from './libbpf.ts';
import { writeRecord } from './records.ts';

/** The state of a queue of the pair at one moment, as the programs write it. */
interface Counts {
  readonly sent: number;
  readonly arrived: number;
  readonly full: number;
  readonly look: number;
  readonly least: number;
}

/** The record that the programs read: the number of the latest look, and how many of the packets sent are lost. Both wrap. */
interface Look {
  readonly number: number;
  readonly lost: number;
}

/** The queues of the pair of interfaces in which segments are merged. `queues` and `looks`: the maps of the programs. */
export class PairQueues {
  private readonly queues: number;
  private readonly looks: number;
  private readonly key = new Memory(4);
  private readonly value = new Memory(PAIR_QUEUE.SIZE);
  private readonly latest: Look[];
  private before: Counts[] = [];
  private lostPackets = 0;
  private dropped = 0;

  constructor(queues: number, looks: number, count: number) {
    this.queues = queues;
    this.looks = looks;
    this.latest = Array.from({ length: count }, () => ({ number: 0, lost: 0 }));
  }

  /** Packets that went in and never came out, and those for which there was no room, as of the last look. */
  get lost(): number {
    return this.lostPackets + this.dropped;
  }

  /** Whether no packet is in the pair. */
  areEmpty(): boolean {
    return this.latest.every((_, number) => this.waiting(number, this.read(number)) <= 0);
  }

  /**
   * Packets that have waited all the time since the last look, or while nothing has moved, are lost: the programs need not wait for them.
   */
  look(): void {
    const now = this.latest.map((_, number) => this.read(number));
    for (const [number, counts] of now.entries()) {
      this.note(number, this.lostSince(number, counts, this.before[number]));
      this.dropped += (counts.full - (this.before[number]?.full ?? 0)) >>> 0;
    }
    this.before = now;
  }

  /** For another pair: nothing waits in it. */
  clear(): void {
    for (const number of this.latest.keys()) this.note(number, this.waiting(number, this.read(number)));
  }

  private lostSince(number: number, { sent, arrived, look, least }: Counts, before?: Counts): number {
    const latest = this.latest[number]!;
    if (look === latest.number && look !== 0) return least;
    const isQuiet = before?.sent === sent && before.arrived === arrived;
    return isQuiet ? this.waiting(number, { sent, arrived }) : 0;
  }

  /** Begins another look at a queue. Fewer than 0 are lost: a predecessor's have arrived. */
  private note(queue: number, packets: number): void {
    const found = Math.max(0, packets);
    this.lostPackets += found;
    const { number, lost } = this.latest[queue]!;
    const look = { number: (number + 1) >>> 0 || 1, lost: (lost + found) >>> 0 };
    writeRecord(this.looks, queue, PAIR_LOOK.SIZE, (view) => {
      view.setUint32(PAIR_LOOK.number, look.number, true);
      view.setUint32(PAIR_LOOK.lost, look.lost, true);
    });
    this.latest[queue] = look;
  }

  private waiting(number: number, { sent, arrived }: Pick<Counts, 'sent' | 'arrived'>): number {
    return (sent - arrived - this.latest[number]!.lost) | 0;
  }

  private read(number: number): Counts {
    this.key.view.setUint32(0, number, true);
    libbpf().lookup(this.queues, this.key.address, this.value.address);
    const { view } = this.value;
    return {
      sent: view.getUint32(PAIR_QUEUE.sent, true),
      arrived: view.getUint32(PAIR_QUEUE.arrived, true),
      full: view.getUint32(PAIR_QUEUE.full, true),
      look: view.getUint32(PAIR_QUEUE.look, true),
      least: view.getUint32(PAIR_QUEUE.least, true),
    };
  }
}
