import { Memory } from '../libc.ts';
import { PAIR_QUEUE } from './layout.ts';
import { libbpf } from './libbpf.ts';
import { writeRecord } from './records.ts';

/** What the programs know about a queue of the pair, at one moment. */
interface Counts {
  readonly sent: number;
  readonly arrived: number;
}

/** The queues of the pair of interfaces in which segments are merged. */
export class PairQueues {
  private readonly fd: number;
  private readonly count: number;
  private readonly key = new Memory(4);
  private readonly value = new Memory(PAIR_QUEUE.SIZE);
  private before: Counts[] = [];
  private lostPackets = 0;

  constructor(fd: number, count: number) {
    this.fd = fd;
    this.count = count;
  }

  /** Packets that went in and never came out. */
  get lost(): number {
    return this.lostPackets;
  }

  /** Whether no packet is in the pair. */
  areEmpty(): boolean {
    for (let number = 0; number < this.count; number++) {
      const { sent, arrived } = this.read(number);
      if (sent !== arrived) return false;
    }
    return true;
  }

  /** Where nothing has moved since the last look, packets that still seem to wait are lost: the programs need not wait for them. */
  look(): void {
    const now = Array.from({ length: this.count }, (_, number) => this.read(number));
    for (const [number, { sent, arrived }] of now.entries()) {
      const before = this.before[number];
      if (sent === arrived || before?.sent !== sent || before.arrived !== arrived) continue;
      this.note(sent, arrived);
      this.write(number, sent);
    }
    this.before = now;
  }

  /** For another pair: nothing waits in it. */
  clear(): void {
    for (let number = 0; number < this.count; number++) {
      const { sent, arrived } = this.read(number);
      this.note(sent, arrived);
      this.write(number, 0);
    }
    this.before = [];
  }

  /** Fewer sent than arrived: the others were a predecessor's. */
  private note(sent: number, arrived: number): void {
    this.lostPackets += Math.max(0, (sent - arrived) | 0);
  }

  private read(number: number): Counts {
    this.key.view.setUint32(0, number, true);
    libbpf().lookup(this.fd, this.key.address, this.value.address);
    const { view } = this.value;
    return {
      sent: view.getUint32(PAIR_QUEUE.sent, true),
      arrived: view.getUint32(PAIR_QUEUE.arrived, true),
    };
  }

  private write(number: number, packets: number): void {
    writeRecord(this.fd, number, PAIR_QUEUE.SIZE, (view) => {
      view.setUint32(PAIR_QUEUE.sent, packets, true);
      view.setUint32(PAIR_QUEUE.arrived, packets, true);
    });
  }
}
