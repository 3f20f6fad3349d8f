/** This number of samples in a row has to be missing. Inside a host no datagram is lost by chance. */
const MISSING = 2;
/** How long the program leaves every datagram to the sockets: the first time, and at most. Each pause is twice as long as the one before. */
const FIRST_REST_MS = 30_000;
const LONGEST_REST_MS = 600_000;
/** After a pause, the arrivals in this time decide. */
const TRIAL_MS = 5_000;
/** After this time of work the next pause is a first one again. */
const FORGIVEN_MS = 1_200_000;
/** The share of the datagrams left to the sockets that has to arrive then; not all, as some are still under way when they are counted. */
const ALL_BUT_FEW = 0.95;

const WHY = 'datagrams left to the sockets do not arrive there: a rule or program of this host drops them';

/** Counts since the beginning. */
export interface ArrivalCounts {
  /** Datagrams that the program could have decided, but left to the sockets. */
  readonly left: number;
  /** Such datagrams that the process received, without those whose answers the system refused. */
  readonly arrived: number;
  /** Datagrams that the system dropped because a socket was full. The missing ones may be among them. */
  readonly overflows: number;
}

/**
 * Watches whether the datagrams that the program leaves to the sockets arrive there. If not, an unknown rule or program on this host drops
 * them. Then every datagram is left to the sockets, so that the rule has its effect, until they arrive.
 * Example: systemd's `IPAddressDeny=` of the server's unit drops datagrams of a network, and no list of rules shows it.
 */
export class SocketArrivals {
  private last: ArrivalCounts | undefined;
  /** While working: the number left since the last arrival, without the latest ones, which may still be under way. */
  private missing = 0;
  private underWay = 0;
  /** Since the trial began that follows a pause. */
  private since = { left: 0, arrived: 0, overflows: 0 };
  private restsUntil = 0;
  private trialUntil: number | undefined;
  private workedSince: number | undefined;
  private nextRestMs = FIRST_REST_MS;
  private reason: string | undefined;

  /** Why every datagram has to be left to the sockets; undefined if the program works. */
  get why(): string | undefined {
    return this.reason;
  }

  /** Call it about once a second. `now` in milliseconds. */
  update(now: number, counts: ArrivalCounts): void {
    this.workedSince ??= now;
    const { last = counts } = this;
    const news = {
      left: counts.left - last.left,
      arrived: Math.max(0, counts.arrived - last.arrived),
      overflows: counts.overflows - last.overflows,
    };
    this.last = counts;
    this.since.left += news.left;
    this.since.arrived += news.arrived;
    this.since.overflows += news.overflows;
    if (this.reason === undefined) this.work(now, news);
    else if (this.trialUntil !== undefined) this.judge(now, this.trialUntil);
    else if (now >= this.restsUntil) this.tryAgain(now);
  }

  /** The program was idle for another reason: the count starts again. */
  forget(): void {
    this.last = undefined;
    this.begin();
  }

  private work(now: number, { left, arrived, overflows }: ArrivalCounts): void {
    if (overflows > 0) {
      this.begin();
      return;
    }
    this.missing = arrived > 0 ? 0 : this.missing + this.underWay;
    this.underWay = Math.max(0, left - arrived);
    if (this.missing >= MISSING) this.leave(now);
  }

  private tryAgain(now: number): void {
    this.begin();
    this.trialUntil = now + TRIAL_MS;
  }

  private judge(now: number, trialUntil: number): void {
    const { left, arrived, overflows } = this.since;
    if (now < trialUntil || left < MISSING) return; // nothing to judge by
    this.begin();
    if (overflows > 0 ? arrived > 0 : arrived >= left * ALL_BUT_FEW) {
      this.reason = undefined;
      this.workedSince = now;
    } else {
      this.rests(now);
    }
  }

  private leave(now: number): void {
    if (now - this.workedSince! > FORGIVEN_MS) this.nextRestMs = FIRST_REST_MS;
    this.reason = WHY;
    this.begin();
    this.rests(now);
  }

  private rests(now: number): void {
    this.restsUntil = now + this.nextRestMs;
    this.nextRestMs = Math.min(2 * this.nextRestMs, LONGEST_REST_MS);
  }

  private begin(): void {
    this.trialUntil = undefined;
    this.missing = this.underWay = 0;
    this.since = { left: 0, arrived: 0, overflows: 0 };
  }
}
