/** Connections refused within {@link WITHIN_MS} that make a flood; it has ended when none has been refused for {@link QUIET_MS}. */
const REFUSED_MOST = 50;
const WITHIN_MS = 1_000;
const QUIET_MS = 5_000;
/** How often a line says so; and when the kernel is asked again that has refused to help. */
const SAID_MS = 60_000;

/** Drops connections of users and addresses that begin too many, before the process sees them. */
export interface Dropping {
  /** The reason where it cannot be done. */
  readonly begin: () => string | undefined;
  readonly end: () => void;
}

/**
 * Watches for floods of connections over TCP. Accepting costs, and others wait behind a flood: so the kernel shall drop most of it. The process does
 * not know which user to name: it sees most connections of a flood when their sockets are closed already.
 */
export class TcpFlood {
  private readonly dropping: Dropping;
  private readonly log: (line: string) => void;
  private refused = 0;
  private since = -Infinity;
  private quiet: NodeJS.Timeout | undefined;
  private saidAt = -Infinity;
  private failedAt = -Infinity;

  constructor(dropping: Dropping, log: (line: string) => void) {
    this.dropping = dropping;
    this.log = log;
  }

  /** A connection was refused. `now`: milliseconds. */
  note(now: number): void {
    if (this.quiet !== undefined) {
      this.quiet.refresh();
      return;
    }
    if (now - this.since > WITHIN_MS) {
      this.since = now;
      this.refused = 0;
    }
    if (++this.refused > REFUSED_MOST && now - this.failedAt > SAID_MS) this.begin(now);
  }

  close(): void {
    clearTimeout(this.quiet);
    this.dropping.end();
  }

  private begin(now: number): void {
    const failure = this.dropping.begin();
    if (failure === undefined) this.quiet = setTimeout(() => this.end(), QUIET_MS).unref();
    else this.failedAt = now;
    if (now - this.saidAt <= SAID_MS) return;
    this.saidAt = now;
    const outcome =
      failure === undefined
        ? 'the kernel drops those of users and addresses that begin too many'
        : `nftables does not drop them (${failure})`;
    this.log(`warning: too many connections to the port of --listen: ${outcome}`);
  }

  private end(): void {
    this.quiet = undefined;
    this.since = -Infinity;
    this.dropping.end();
  }
}
