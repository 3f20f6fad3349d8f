/** A scheduled event. {@link EventQueue.push} returns it so that it can be cancelled. */
export interface ScheduledEvent {
  readonly at: number;
  /** The action; `undefined` once it has happened or was cancelled. */
  run: (() => void) | undefined;
}

interface Entry extends ScheduledEvent {
  readonly sequence: number;
}

/** A binary heap of events by time. Events of one instant are returned in the order in which they were added. */
export class EventQueue {
  private readonly heap: Entry[] = [];
  private sequence = 0;

  get size(): number {
    return this.heap.length;
  }

  push(at: number, run: () => void): ScheduledEvent {
    const entry: Entry = { at, run, sequence: this.sequence++ };
    this.heap.push(entry);
    this.rise(this.heap.length - 1);
    return entry;
  }

  /** The time of the next event; Infinity if there is none. Removes cancelled events at the front. */
  peek(): number {
    const { heap } = this;
    while (heap.length > 0 && heap[0]!.run === undefined) this.removeFirst();
    return heap.length > 0 ? heap[0]!.at : Infinity;
  }

  /** Removes and returns the event whose time {@link peek} returns. */
  pop(): ScheduledEvent | undefined {
    if (this.peek() === Infinity) return undefined;
    return this.removeFirst();
  }

  private removeFirst(): Entry {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.sink();
    }
    return first;
  }

  private rise(start: number): void {
    const { heap } = this;
    let at = start;
    const entry = heap[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  private sink(): void {
    const { heap } = this;
    const entry = heap[0]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
