import { TUNNEL_MTU } from '../core/constants.ts';
import { EnvironmentError } from '../io/errors.ts';
import type { TunnelHost, InterfaceAddress, Ipv6Route, TunnelState } from '../io/ports.ts';
import { countSystemFailure, survive } from '../io/system-failures.ts';
import { formatIpv6 } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';

/** An address or a route of a tunnel interface. */
export interface InterfaceSetting {
  /** One and the same setting has the same name. */
  readonly name: string;
  isIn(state: TunnelState): boolean;
  apply(host: TunnelHost, iface: string): Promise<void>;
  revert(host: TunnelHost, iface: string): Promise<void>;
}

/**
 * The settings of a tunnel interface, one by one: one that cannot be set keeps no other from being set, and a setting that another program has
 * removed comes back with the next change of the network. One step after the other.
 */
export class InterfaceConfig {
  readonly iface: string;
  private readonly host: TunnelHost;
  private readonly onWarning: (message: string) => void;
  private readonly applied = new Map<string, InterfaceSetting>();
  /** Warnings given so far. */
  private readonly failures = new Map<string, string>();
  private steps: Promise<void> = Promise.resolve();
  private closed = false;
  private readonly onFailure: () => void;
  private hasFailed = false;

  /** `onFailure`: not all could be done, and {@link arrange} is to be called again later. */
  constructor(
    iface: string,
    host: TunnelHost,
    onWarning: (message: string) => void,
    onFailure: () => void = () => {},
  ) {
    this.iface = iface;
    this.host = host;
    this.onWarning = onWarning;
    this.onFailure = onFailure;
  }

  /** Resolves once all that was asked for so far is done, or has failed. */
  get settled(): Promise<void> {
    return this.steps;
  }

  has(setting: InterfaceSetting): boolean {
    return this.applied.has(setting.name);
  }

  /**
   * Takes the interface up with its first settings. An interface that a predecessor left may have them, or some of `former` in addition, which
   * are taken away. Rejects with the reason if it cannot.
   */
  begin(settings: readonly InterfaceSetting[], former: readonly InterfaceSetting[] = []): Promise<void> {
    const begun = this.takeUp(settings, former);
    this.steps = begun.catch(() => undefined); // the caller has the error, by `begun`
    return begun;
  }

  private async takeUp(
    settings: readonly InterfaceSetting[],
    former: readonly InterfaceSetting[],
  ): Promise<void> {
    await this.host.setUpTunnel(this.iface, TUNNEL_MTU);
    const state = this.host.tunnelState(this.iface);
    for (const setting of settings) {
      if (state === undefined || !setting.isIn(state)) await setting.apply(this.host, this.iface);
      this.applied.set(setting.name, setting);
    }
    for (const setting of former)
      if (state !== undefined && setting.isIn(state) && !this.has(setting))
        await setting.revert(this.host, this.iface);
  }

  /**
   * Makes the interface have just these settings, in this order, of all that were ever applied. `wanted` is called when its turn has come,
   * and {@link has} then knows the present ones. A setting that cannot be made gives a warning; it rejects with the error of `onDone`, unless
   * that is the system's refusal.
   */
  arrange(wanted: () => readonly InterfaceSetting[], onDone: () => void = () => {}): Promise<void> {
    const done = this.steps.then(async () => {
      if (this.closed) return;
      this.hasFailed = false;
      await this.attempt(this.iface, () => this.look(wanted));
      if (this.closed) return;
      if (!survive(onDone)) this.hasFailed = true;
      if (this.hasFailed) this.onFailure();
    });
    this.steps = done.catch(() => undefined); // errors of `onDone` go to the caller, by `done`
    return done;
  }

  /** Waits for steps under way. The device is closed elsewhere, and everything on it goes with it. */
  async close(): Promise<void> {
    this.closed = true;
    await this.steps;
  }

  private async look(wanted: () => readonly InterfaceSetting[]): Promise<void> {
    const state = this.host.tunnelState(this.iface);
    if (state === undefined) {
      throw new EnvironmentError(
        'system',
        `there is no interface "${this.iface}" any more: if it was renamed, give it this name again ("ip link" lists the names), or start ` +
          'again with --interface; until then its addresses and routes are not restored',
      );
    }
    const lost = [...this.applied.values()].filter((setting) => !setting.isIn(state));
    if (lost.length > 0)
      this.onWarning(
        `another program has taken ${this.iface} down, or addresses or routes from it: set again`,
      );
    for (const setting of lost) this.applied.delete(setting.name);
    if (!state.isUp) await this.host.setUpTunnel(this.iface, TUNNEL_MTU);
    await this.change(wanted(), state);
  }

  private async change(wanted: readonly InterfaceSetting[], state: TunnelState): Promise<void> {
    const names = new Set(wanted.map(({ name }) => name));
    for (const setting of [...this.applied.values()].toReversed()) {
      if (names.has(setting.name)) continue;
      // One that the system keeps is tried again with the next change, or after the failure.
      if (await this.attempt(setting.name, () => setting.revert(this.host, this.iface)))
        this.applied.delete(setting.name);
    }
    for (const setting of wanted) {
      const isThere = this.has(setting) || setting.isIn(state);
      if (isThere || (await this.attempt(setting.name, () => setting.apply(this.host, this.iface))))
        this.applied.set(setting.name, setting);
    }
  }

  /** Whether it could be done. The same failure is warned of once. */
  private async attempt(name: string, action: () => Promise<void>): Promise<boolean> {
    try {
      if (this.closed) return false;
      await action();
      this.failures.delete(name);
      return true;
    } catch (error) {
      const { message } = error as Error;
      this.hasFailed = true;
      countSystemFailure(error);
      if (!this.closed && this.failures.get(name) !== message) this.onWarning(message);
      this.failures.set(name, message);
      return false;
    }
  }
}

export function addressSetting({ address, prefixLength }: InterfaceAddress): InterfaceSetting {
  return {
    name: `${formatIpv6(address)}/${prefixLength}`,
    isIn: ({ addresses }) =>
      addresses.some((one) => one.prefixLength === prefixLength && equal(one.address, address)),
    apply: (host, iface) => host.addAddress(iface, address, prefixLength),
    revert: (host, iface) => host.removeAddress(iface, address, prefixLength),
  };
}

export function routeSetting(route: Ipv6Route): InterfaceSetting {
  const { destination, prefixLength, source, metric } = route;
  const from = source === undefined ? '' : ` from ${formatIpv6(source)}`;
  return {
    name: `route ${formatIpv6(destination)}/${prefixLength}${from}`,
    isIn: ({ routes }) =>
      routes.some(
        (one) =>
          one.prefixLength === prefixLength &&
          equal(one.destination, destination) &&
          equal(one.source, source) &&
          (metric === undefined || one.metric === metric),
      ),
    apply: (host, iface) => host.addRoute(iface, route),
    revert: (host, iface) => host.removeRoute(iface, route),
  };
}

function equal(a: Ipv6 | undefined, b: Ipv6 | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.every((byte, i) => byte === b[i]);
}
