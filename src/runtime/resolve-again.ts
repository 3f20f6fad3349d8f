import type { ServerCandidate } from '../core/client/index.ts';
import type { ClientState, QualificationReason } from '../core/events.ts';
import { EnvironmentError } from '../io/errors.ts';
import type { CancelTimer, Clock } from '../io/ports.ts';
import { SettingsError } from './settings/settings-error.ts';

/** Least time between two resolutions of the servers' names. */
const RESOLVE_AGAIN_MS = 30_000;

/** A client that reports its state and takes other servers. */
interface NamedClient {
  on(
    event: 'state',
    listener: (state: ClientState, reason: QualificationReason | undefined) => void,
  ): unknown;
  setServers(servers: readonly ServerCandidate[]): void;
}

/**
 * Has the servers' names resolved again and again while the client is not qualified: perhaps they lead somewhere else by now.
 * By a timer of its own: a client that keeps failing for the same reason emits no event.
 */
export class ResolveAgain {
  private readonly client: NamedClient;
  private resolve: () => Promise<readonly ServerCandidate[]>;
  private readonly clock: Clock;
  private servers: readonly ServerCandidate[];
  private resolvedAt: number;
  private cancel: CancelTimer | undefined;
  private wanted = false;
  private resolving = false;

  /** `servers`: the present result of the names, and the candidates of the client. */
  constructor(
    client: NamedClient,
    servers: readonly ServerCandidate[],
    resolve: () => Promise<readonly ServerCandidate[]>,
    clock: Clock,
  ) {
    this.client = client;
    this.servers = servers;
    this.resolve = resolve;
    this.clock = clock;
    this.resolvedAt = clock.now();
    client.on('state', (state, reason) => {
      if (state === 'qualified' || state === 'dormant' || reason === 'stopped') this.rest();
      else this.arm();
    });
  }

  /** Whether a name is being looked up, which cannot be called off. */
  get isResolving(): boolean {
    return this.resolving;
  }

  /** The client has these servers now, and they are looked up in this way. */
  follow(servers: readonly ServerCandidate[], resolve: () => Promise<readonly ServerCandidate[]>): void {
    this.servers = servers;
    this.resolve = resolve;
    this.resolvedAt = this.clock.now();
  }

  /** Until the client loses its server. */
  rest(): void {
    this.wanted = false;
    this.cancel?.();
    this.cancel = undefined;
  }

  /** At once where the last resolution is long ago. */
  private arm(): void {
    this.wanted = true;
    if (this.resolving || this.cancel !== undefined) return;
    this.cancel = this.clock.setTimer(this.resolvedAt + RESOLVE_AGAIN_MS, () => {
      this.cancel = undefined;
      void this.resolveNow();
    });
  }

  private async resolveNow(): Promise<void> {
    this.resolving = true;
    const { resolve } = this;
    try {
      const servers = await resolve();
      // A client that has found a server meanwhile keeps it, and so does one that has got others.
      if (this.wanted && resolve === this.resolve && !areSame(servers, this.servers)) {
        this.servers = servers;
        this.client.setServers(servers);
      }
    } catch (error) {
      // Names that lead nowhere now may be those of a network that is away: the addresses known so far are kept.
      if (!(error instanceof EnvironmentError || error instanceof SettingsError)) throw error;
    } finally {
      this.resolving = false;
      this.resolvedAt = this.clock.now();
      if (this.wanted) this.arm();
    }
  }
}

/** The order does not count: name servers change it, and no attempt starts again for that. */
function areSame(a: readonly ServerCandidate[], b: readonly ServerCandidate[]): boolean {
  const inOrder = (servers: readonly ServerCandidate[]): string =>
    servers
      .map(({ primary, secondary }) => `${primary} ${secondary}`)
      .sort()
      .join();
  return inOrder(a) === inOrder(b);
}
