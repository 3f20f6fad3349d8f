/** So many datagrams in a row have to be missing: on its way within a host none is lost by chance. */
const MISSING = 2;
/** How long everything is left to the sockets, at first and at the longest; each time twice as long. */
const FIRST_REST_MS = 30_000;
const LONGEST_REST_MS = 600_000;
/** What arrives is judged by what comes in so long a time after a rest. */
const TRIAL_MS = 5_000;
/** After that time of work the next rest is a first one again. */
const FORGIVEN_MS = 1_200_000;
/** Of what is left to the sockets then so much has to arrive: some come in while they are counted. */
const ALL_BUT_FEW = 0.95;

const WHY = 'datagrams left to the sockets do not arrive there: something on this host keeps them';

/** Counts since the beginning. */
export interface ArrivalCounts {
  /** Datagrams that the program could have decided, and left to the sockets. */
  readonly left: number;
  /** Such datagrams that the process has had, and whose answers the system did not refuse. */
  readonly arrived: number;
  /** Datagrams that the system has dropped because sockets were full: those missing may be among them. */
  readonly overflows: number;
}

/**
 * Whether datagrams that the program leaves to the sockets arrive there. Where they do not, something on this host keeps them that is not
 * known: then all of them are left, which nobody's rules forbid, until they do arrive.
 */
export class SocketArrivals {
  private last: ArrivalCounts | undefined;
  /** While working: those left since one has arrived, the latest ones (which may still be under way) not among them. */
  private missing = 0;
  private underWay = 0;
  /** Since the trial after a rest began. */
  private since = { left: 0, arrived: 0, overflows: 0 };
  private restsUntil = 0;
  private trialUntil: number | undefined;
  private workedSince: number | undefined;
  private nextRestMs = FIRST_REST_MS;
  private reason: string | undefined;

  /** Why everything has to be left to the sockets; undefined: it has not. */
  get why(): string | undefined {
    return this.reason;
  }

  /** To be called about once a second. `now` in milliseconds. */
  see(now: number, counts: ArrivalCounts): void {
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

  /** Something else has kept the program from its work meanwhile: begins to count anew. */
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
