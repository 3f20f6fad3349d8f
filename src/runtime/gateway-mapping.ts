import { randomBetween } from '../core/entropy.ts';
import type { Entropy } from '../core/entropy.ts';
import { countSystemFailure, isShortage, noteSystemFailure } from '../io/system-failures.ts';
import type { CancelTimer, Clock, MapAnswer, PortMapper, PortMapping } from '../io/ports.ts';

/** RFC 6081 section 5.3.3 has the mapping come before qualification: a gateway that is there answers in less. E-41 */
const HEAD_START_MS = 250;
/** A mapping that holds for good may have gone with a restart of the gateway. */
const RENEW_MOST_MS = 30 * 60_000;
const RENEW_LEAST_MS = 10_000;
/** A gateway that does not answer is believed to keep its mapping for the lifetime that it gave, but no longer than this. */
const HOLDS_MOST_MS = 2 * 60 * 60_000;
/** One that does not answer when it is asked to renew: after this, then each time twice as long. RFC 6887 sections 8.1.1, 11.2.1 */
const SILENT_AGAIN_MS = 4_000;
const SILENT_AGAIN_MOST_MS = 1_024_000;
/** A gateway that has not mapped the port may do so later. */
const AGAIN_MS = 10 * 60_000;
/** A gateway that did, and does no longer, may be restarting: after this, then each time twice as long. */
const LOST_AGAIN_MS = 10_000;
/** RFC 6886 section 3.7: the clients of a gateway that has restarted do not all ask at once, but within this. */
const SPREAD_MS = 5_000;
/** Between two times that it is asked early: any host of the link can announce in its name. */
const EARLY_LEAST_MS = 10_000;
/**
 * A release is waited for; longer than a gateway that is mute takes for it (a question that is under way, and that to release: 2 s each),
 * shorter than the 5 s in which a role ends.
 */
const RELEASE_MOST_MS = 4_250;
/** A mapper that has not answered by then is given up, and another is opened. */
const MAP_MOST_MS = 60_000;

/** `undefined`: there is none (any more). */
type OnChange = (mapping: PortMapping | undefined) => void;

/**
 * Has a gateway map the service port: asks, renews at half the time, or at once where the gateway may have forgotten it, asks again in another
 * network, releases at the end.
 */
export class GatewayMapping {
  private readonly clock: Clock;
  private readonly entropy: Entropy;
  private readonly open: () => PortMapper | undefined;
  private readonly onChange: OnChange;
  private current: PortMapping | undefined;
  private mapper: PortMapper | undefined;
  private cancelTimer: CancelTimer | undefined;
  /** Releases of earlier mappers: a late one would remove the mapping of the next one. */
  private released: Promise<void> | undefined;
  /** When it is asked next; Infinity: it is being asked. */
  private nextAt = Infinity;
  /** When it is to be asked early, and when it was for the last time. */
  private earlyAt = Infinity;
  private lastEarlyAt = -Infinity;
  /** After a failure. */
  private againMs = AGAIN_MS;
  /** After this host lacked descriptors or memory to look for the gateway, or to ask it. */
  private lookAgainMs = LOST_AGAIN_MS;
  /** After silence. */
  private silentAgainMs = SILENT_AGAIN_MS;
  /** The end of the mapping, by the gateway's last answer. */
  private holdsUntil = -Infinity;
  private resting = false;
  private closed = false;

  constructor(clock: Clock, entropy: Entropy, open: () => PortMapper | undefined, onChange: OnChange) {
    this.clock = clock;
    this.entropy = entropy;
    this.open = open;
    this.onChange = onChange;
  }

  get mapping(): PortMapping | undefined {
    return this.current;
  }

  /** Asks; resolves when qualification should wait no longer. Undefined: at once. Rejects never. */
  begin(): Promise<void> | undefined {
    const mapper = this.tryToOpen();
    this.mapper = mapper;
    if (mapper === undefined) return undefined;
    mapper.watch(() => this.askWithin(randomBetween(this.entropy, 0, SPREAD_MS)));
    return this.headStart(mapper, this.map(mapper));
  }

  /** The way to the gateway may be another: the mapping of the old one leads nowhere, or will end by itself. */
  networkChanged(): void {
    if (this.closed) return;
    this.resting = false;
    this.take(undefined);
    void this.startAnew();
  }

  /** Has the port closed, and asks for nothing until {@link networkChanged}. */
  rest(): void {
    if (this.closed) return;
    this.resting = true;
    this.take(undefined);
    void this.giveUp();
  }

  /** The NAT may have forgotten the mapping: asks at once, or once 10 s have passed since that was last done. */
  askAgain(): void {
    this.askWithin(0);
  }

  /** Resolves once the mapping is gone, or the gateway has not answered for seconds. E-51 */
  async close(): Promise<void> {
    this.closed = true;
    await this.giveUp();
  }

  /** Ends once the port is mapped, or the gateway has refused to be asked, or the time is over. */
  private async headStart(mapper: PortMapper, mapped: Promise<void>): Promise<void> {
    const mappedOrRefused = async (): Promise<void> => {
      if (await mapper.asked) await mapped;
    };
    await this.within(HEAD_START_MS, undefined, mapped, mappedOrRefused());
  }

  private async startAnew(): Promise<void> {
    await this.giveUp();
    if (!this.closed && !this.resting && this.mapper === undefined) void this.begin();
  }

  private askWithin(ms: number): void {
    if (this.closed || this.mapper === undefined) return;
    const at = Math.max(this.clock.now() + ms, this.lastEarlyAt + EARLY_LEAST_MS);
    this.earlyAt = Math.min(this.earlyAt, at);
    // The answer to the request under way may be from before the change: ask once more.
    if (this.nextAt !== Infinity && this.earlyAt < this.nextAt) this.schedule(this.mapper, this.earlyAt);
  }

  private schedule(mapper: PortMapper, at: number): void {
    this.cancelTimer?.();
    this.nextAt = at;
    this.cancelTimer = this.clock.setTimer(at, () => {
      if (this.current === undefined) void this.startAnew();
      else void this.map(mapper);
    });
  }

  /** Resolves once nothing is under way any more, of former mappers either. */
  private async giveUp(): Promise<void> {
    this.cancelTimer?.();
    const { mapper } = this;
    this.mapper = undefined;
    if (mapper !== undefined) this.released = this.within(RELEASE_MOST_MS, undefined, mapper.release());
    await this.released;
  }

  /** The first answer; `late` where there is none in time, or the first rejects. */
  private async within<T>(ms: number, late: T, ...answers: Promise<T>[]): Promise<T> {
    let cancel: CancelTimer | undefined;
    const over = new Promise<T>((resolve) => {
      cancel = this.clock.setTimer(this.clock.now() + ms, () => resolve(late));
    });
    try {
      return await Promise.race([...answers, over]);
    } catch {
      return late;
    } finally {
      cancel?.();
    }
  }

  private async map(mapper: PortMapper): Promise<void> {
    this.nextAt = Infinity;
    if (this.earlyAt !== Infinity) this.lastEarlyAt = this.clock.now();
    this.earlyAt = Infinity;
    const askedAt = this.clock.now();
    const answer = await this.within<MapAnswer | 'late'>(MAP_MOST_MS, 'late', mapper.map());
    if (mapper !== this.mapper) return; // it was given up meanwhile
    if (answer === 'silent' && this.current !== undefined && this.clock.now() < this.holdsUntil) {
      this.schedule(mapper, Math.min(this.againAfterSilence(), this.earlyAt));
      return;
    }
    const mapping = answer === 'silent' || answer === 'late' ? undefined : answer;
    this.silentAgainMs = SILENT_AGAIN_MS;
    this.holdsUntil = askedAt + Math.min(mapping?.lifetimeMs ?? 0, HOLDS_MOST_MS);
    const isLost = mapping === undefined && this.current !== undefined;
    this.take(mapping);
    if (isLost) {
      this.againMs = LOST_AGAIN_MS;
      await this.startAnew(); // the gateway may be another one
      return;
    }
    const wait =
      mapping === undefined && mapper.hadShortage === true
        ? this.waitAfterShortage()
        : this.waitAfter(mapping);
    this.schedule(mapper, Math.min(this.clock.now() + wait, this.earlyAt));
  }

  /** Well before it ends: after half of the time left. */
  private againAfterSilence(): number {
    const now = this.clock.now();
    const wait = Math.min(this.silentAgainMs, (this.holdsUntil - now) / 2);
    this.silentAgainMs = Math.min(2 * this.silentAgainMs, SILENT_AGAIN_MOST_MS);
    return Math.min(now + Math.max(wait, SILENT_AGAIN_MS), this.holdsUntil);
  }

  private waitAfter(mapping: PortMapping | undefined): number {
    const { againMs } = this;
    this.againMs = mapping === undefined ? Math.min(2 * againMs, AGAIN_MS) : AGAIN_MS;
    this.lookAgainMs = LOST_AGAIN_MS;
    return mapping === undefined
      ? againMs
      : Math.max(RENEW_LEAST_MS, Math.min(RENEW_MOST_MS, mapping.lifetimeMs / 2));
  }

  private take(mapping: PortMapping | undefined): void {
    const before = this.current;
    this.current = mapping;
    const isSame =
      before?.external.address === mapping?.external.address &&
      before?.external.port === mapping?.external.port;
    if (!isSame || before?.protocol !== mapping?.protocol) this.onChange(mapping);
  }

  private tryToOpen(): PortMapper | undefined {
    try {
      return this.open();
    } catch (error) {
      // Without netlink there is no way to find the gateway; without descriptors there may be one later.
      if (isShortage(error)) {
        noteSystemFailure(error);
        this.lookAgain();
      } else countSystemFailure(error);
      return undefined;
    }
  }

  private lookAgain(): void {
    this.cancelTimer?.();
    this.cancelTimer = this.clock.setTimer(
      this.clock.now() + this.waitAfterShortage(),
      () => void this.startAnew(),
    );
  }

  private waitAfterShortage(): number {
    const wait = this.lookAgainMs;
    this.lookAgainMs = Math.min(2 * wait, AGAIN_MS);
    return wait;
  }
}
