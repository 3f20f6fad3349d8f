/** The time for which one descriptor is served before timers and other descriptors have their turn, ms. The batch under way is finished. */
const MOST_MS = 1;

/** A turn of a descriptor. Its work may cost very different times: a packet to an unknown peer costs ten times as much as others. */
export class Turn {
  private readonly mostMs: number;
  private end = 0;

  constructor(mostMs = MOST_MS) {
    this.mostMs = mostMs;
  }

  begin(): void {
    this.end = performance.now() + this.mostMs;
  }

  get isOver(): boolean {
    return performance.now() >= this.end;
  }
}
