import { within } from '../../io/deadline.ts';
import type { TargetHost } from '../../wire/proxy-target.ts';
import { Admission } from './admission.ts';
import type { Failure } from './answers.ts';
import type { Asker } from './asker.ts';
import { DnsLookup } from './dns-lookup.ts';
import { KeptFile } from './kept-file.ts';
import { addressesOfLocalhost, readHosts, readSearch } from './local-names.ts';

export type Address = Exclude<TargetHost, { kind: 'name' }>;

/** Names that are looked up at the same time. */
const MOST_LOOKUPS = 512;
/** A look-up ends after this, whatever the name servers do. */
const LOOKUP_MS = 15_000;

export interface ResolverOptions {
  readonly ipv6Only: boolean;
  /** Name servers. Default: those of the host. */
  readonly servers?: readonly string[];
  readonly most?: number;
}

/** Addresses of names: by /etc/hosts, else by the host's name servers. */
export class Resolver {
  private readonly options: ResolverOptions;
  private readonly places: Admission;
  private readonly hosts = new KeptFile('/etc/hosts', readHosts);
  private readonly search = new KeptFile('/etc/resolv.conf', readSearch);

  constructor(options: ResolverOptions) {
    this.options = options;
    this.places = new Admission({ most: options.most ?? MOST_LOOKUPS });
  }

  /** The IPv6 addresses of a name first. */
  async addressesOf(host: TargetHost, asker: Asker): Promise<readonly Address[] | Failure> {
    if (host.kind === 'ipv4' && this.options.ipv6Only) return 'not-allowed';
    if (host.kind !== 'name') return [host];
    const known = this.knownOf(host.name.toLowerCase());
    if (known.length > 0) return ipv6First(known);
    const found = await this.lookUp(host.name, asker);
    return typeof found === 'string' ? found : ipv6First(found);
  }

  private knownOf(name: string): readonly Address[] {
    const known = this.hosts.get().get(name) ?? addressesOfLocalhost(name);
    return this.options.ipv6Only ? known.filter(({ kind }) => kind === 'ipv6') : known;
  }

  private async lookUp(name: string, { source, gone }: Asker): Promise<readonly Address[] | Failure> {
    const lookup = new DnsLookup({ hasIpv4: !this.options.ipv6Only, servers: this.options.servers });
    const stop = (): void => lookup.stop();
    const place = gone.aborted ? undefined : this.places.admit(source, stop);
    if (place === undefined) return 'failed';
    gone.addEventListener('abort', stop);
    const found = await within(LOOKUP_MS, lookup.addressesOf(this.search.get()(name)), 'timed-out' as const);
    gone.removeEventListener('abort', stop);
    lookup.stop();
    place.leave();
    return found;
  }
}

function ipv6First(addresses: readonly Address[]): readonly Address[] {
  return [
    ...addresses.filter(({ kind }) => kind === 'ipv6'),
    ...addresses.filter(({ kind }) => kind === 'ipv4'),
  ];
}
