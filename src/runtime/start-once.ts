/** The caller's mistake: what runs is started again, or what has ended. `code` is stable. */
export class LifecycleError extends Error {
  readonly code = 'started-twice';

  constructor(what: string) {
    super(`a ${what} is started once: make a new one`);
    this.name = 'LifecycleError';
  }
}

/** Lets something be started once, and not after its end: its sockets are closed then, and others may have their numbers. */
export class StartOnce {
  private readonly what: string;
  private over = false;

  constructor(what: string) {
    this.what = what;
  }

  /** Throws a LifecycleError unless this is the first call, before {@link end}. */
  begin(): void {
    if (this.over) throw new LifecycleError(this.what);
    this.over = true;
  }

  end(): void {
    this.over = true;
  }
}
