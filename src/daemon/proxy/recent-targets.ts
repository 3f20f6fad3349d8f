import { formatHost } from '../../wire/proxy-target.ts';
import type { TargetHost } from '../../wire/proxy-target.ts';
import type { Asker } from './asker.ts';
import type { Address, Resolver } from './resolver.ts';

/** Hosts that may answer; the one that was added first makes room. */
const MOST_HOSTS = 1_024;
/** Names whose address is kept, and for how long. */
const [MOST_NAMES, NAME_MS] = [64, 60_000];
/** Names of one client that are looked up at the same time: datagrams to others are lost. */
const MOST_LOOKUPS = 16;
/** Octets of one client that may wait for the addresses of names: more are lost. */
const MOST_WAITING = 65_536;

/** The hosts that one client has sent datagrams to. */
export class RecentTargets {
  private readonly resolver: Pick<Resolver, 'addressesOf'>;
  private readonly hosts = new Set<string>();
  private readonly names = new Map<
    string,
    { readonly address: Promise<Address | undefined>; readonly until: number }
  >();
  private readonly asker: Asker;
  private lookups = 0;
  private waiting = 0;

  constructor(resolver: Pick<Resolver, 'addressesOf'>, asker: Asker) {
    this.resolver = resolver;
    this.asker = asker;
  }

  note(host: Address, port: number): void {
    const key = keyOf(host, port);
    if (this.hosts.has(key)) return;
    if (this.hosts.size >= MOST_HOSTS) dropFirst(this.hosts);
    this.hosts.add(key);
  }

  has(host: Address, port: number): boolean {
    return this.hosts.has(keyOf(host, port));
  }

  /** The address of a host, the same for all datagrams of a while. Undefined: it has none, or too much waits for one. `length`: octets that wait for it. */
  async addressOf(host: TargetHost, length: number): Promise<Address | undefined> {
    if (host.kind !== 'name') return host;
    if (this.waiting + length > MOST_WAITING) return undefined;
    this.waiting += length;
    const address = await this.addressOfName(host);
    this.waiting -= length;
    return address;
  }

  private addressOfName(host: TargetHost & { kind: 'name' }): Promise<Address | undefined> {
    const kept = this.names.get(host.name);
    if (kept !== undefined && kept.until > performance.now()) return kept.address;
    if (this.lookups >= MOST_LOOKUPS) return Promise.resolve(undefined);
    this.lookups++;
    const address = this.resolver.addressesOf(host, this.asker).then((found) => {
      this.lookups--;
      return typeof found === 'string' ? undefined : found[0];
    });
    this.names.delete(host.name);
    if (this.names.size >= MOST_NAMES) dropFirst(this.names);
    this.names.set(host.name, { address, until: performance.now() + NAME_MS });
    return address;
  }
}

function keyOf(host: Address, port: number): string {
  return `${formatHost(host)} ${port}`;
}

function dropFirst<T>(all: Set<T> | Map<T, unknown>): void {
  for (const first of all.keys()) {
    all.delete(first);
    return;
  }
}
