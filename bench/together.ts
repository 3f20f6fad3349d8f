/** Disposes of several things at once at the end. (Node.js 20 has no AsyncDisposableStack.) */
export class Together implements AsyncDisposable {
  private readonly all: AsyncDisposable[] = [];

  use<T extends AsyncDisposable>(one: T): T {
    this.all.push(one);
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((one) => one[Symbol.asyncDispose]()));
  }
}
