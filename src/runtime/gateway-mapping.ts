import type { CancelTimer, Clock, PortMapper, PortMapping } from '../io/ports.ts';

/** RFC 6081 section 5.3.3 has the mapping come before qualification: a gateway that is there answers in less. E-41 */
const HEAD_START_MS = 250;
/** A mapping that holds for good may have gone with a restart of the gateway. */
const RENEW_MOST_MS = 30 * 60_000;
const RENEW_LEAST_MS = 10_000;
/** A gateway that has not mapped the port may do so later. */
const AGAIN_MS = 10 * 60_000;

/** `undefined`: there is none (any more). */
type OnChange = (mapping: PortMapping | undefined) => void;

/** Has a gateway map the service port: asks, renews at half the time, asks anew in another network, releases at the end. */
export class GatewayMapping {
  private readonly clock: Clock;
  private readonly open: () => PortMapper | undefined;
  private readonly onChange: OnChange;
  private current: PortMapping | undefined;
  private mapper: PortMapper | undefined;
  private cancelTimer: CancelTimer | undefined;
  private closed = false;

  constructor(clock: Clock, open: () => PortMapper | undefined, onChange: OnChange) {
    this.clock = clock;
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
    return this.headStart(mapper, this.map(mapper));
  }

  /** The way to the gateway may be another: what the old one has mapped leads nowhere, or will end by itself. */
  networkChanged(): void {
    if (this.closed) return;
    this.take(undefined);
    void this.startAnew();
  }

  /** Resolves once the mapping is gone, or the gateway has not answered for seconds. E-51 */
  async close(): Promise<void> {
    this.closed = true;
    await this.giveUp();
  }

  /** Ends once the port is mapped, or the gateway has refused to be asked, or the time is over. */
  private async headStart(mapper: PortMapper, mapped: Promise<void>): Promise<void> {
    let cancel: CancelTimer | undefined;
    const over = new Promise<void>((resolve) => {
      cancel = this.clock.setTimer(this.clock.now() + HEAD_START_MS, resolve);
    });
    const mappedOrRefused = async (): Promise<void> => {
      if (await mapper.asked) await mapped;
    };
    await Promise.race([mapped, mappedOrRefused(), over]);
    cancel?.();
  }

  private async startAnew(): Promise<void> {
    await this.giveUp();
    if (!this.closed && this.mapper === undefined) void this.begin();
  }

  private async giveUp(): Promise<void> {
    this.cancelTimer?.();
    const { mapper } = this;
    this.mapper = undefined;
    await mapper?.release();
  }

  private async map(mapper: PortMapper): Promise<void> {
    const mapping = await mapper.map();
    if (mapper !== this.mapper) return; // it was given up meanwhile
    const isLost = mapping === undefined && this.current !== undefined;
    this.take(mapping);
    if (isLost) {
      await this.startAnew(); // the gateway may be another one
      return;
    }
    const wait =
      mapping === undefined
        ? AGAIN_MS
        : Math.max(RENEW_LEAST_MS, Math.min(RENEW_MOST_MS, mapping.lifetimeMs / 2));
    this.cancelTimer = this.clock.setTimer(this.clock.now() + wait, () => {
      if (mapping === undefined) void this.startAnew();
      else void this.map(mapper);
    });
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
    } catch {
      return undefined; // without netlink there is no way to find the gateway
    }
  }
}
