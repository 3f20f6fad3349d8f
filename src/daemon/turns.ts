/** After work of some length the others of the process have this many times as long. */
const REST = 4;
const MAX_REST_MS = 500;

/** Gives pieces of work their turn, one after the other, with rests between them: whoever asks for them cannot fill the time. */
export class Turns {
  private last: Promise<void> = Promise.resolve();

  /** Rejects with what `work` throws. */
  async take<T>(work: () => T | Promise<T>): Promise<T> {
    const before = this.last;
    let done!: () => void;
    this.last = new Promise((resolve) => (done = resolve));
    await before;
    const begun = performance.now();
    try {
      return await work();
    } finally {
      setTimeout(done, Math.min(REST * (performance.now() - begun), MAX_REST_MS)).unref();
    }
  }
}
