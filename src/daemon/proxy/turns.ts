/** Does work of one client one after the other. */
export class Turns {
  private readonly most: number;
  private readonly waiting: (() => Promise<void>)[] = [];
  private isBusy = false;

  /** `most`: pieces of work that may wait. */
  constructor(most: number) {
    this.most = most;
  }

  /** Nothing is being done, and nothing waits. */
  get isIdle(): boolean {
    return !this.isBusy;
  }

  /** False: too much waits already. `work` must not reject. */
  add(work: () => Promise<void>): boolean {
    if (this.waiting.length >= this.most) return false;
    this.waiting.push(work);
    if (!this.isBusy) void this.run();
    return true;
  }

  /** Nothing of what waits begins any more. */
  stop(): void {
    this.waiting.length = 0;
  }

  private async run(): Promise<void> {
    this.isBusy = true;
    for (let work = this.waiting.shift(); work !== undefined; work = this.waiting.shift()) await work();
    this.isBusy = false;
  }
}
