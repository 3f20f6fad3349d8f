/** The caller's mistake. `code` is stable: `started-twice` (it runs or has ended), `closed-early` (in its start). */
export class LifecycleError extends Error {
  readonly code: 'started-twice' | 'closed-early';

  constructor(code: LifecycleError['code'], message: string) {
    super(message);
    this.name = 'LifecycleError';
    this.code = code;
  }
}

/** Lets something be started once, and not after its end: its sockets are closed then, and others may have their numbers. */
export class StartOnce {
  private readonly role: string;
  private stage: 'new' | 'begun' | 'ended' = 'new';

  constructor(role: string) {
    this.role = role;
  }

  /** Throws a LifecycleError unless this is the first call, before {@link end}. */
  begin(): void {
    if (this.stage !== 'new')
      throw new LifecycleError('started-twice', `a ${this.role} is started once: make a new one`);
    this.stage = 'begun';
  }

  /** Between the steps of a start, to be called after each that waits: throws a LifecycleError after {@link end}. */
  goOn(): void {
    if (this.stage === 'ended')
      throw new LifecycleError('closed-early', `the ${this.role} was closed before it had started`);
  }

  end(): void {
    this.stage = 'ended';
  }
}
