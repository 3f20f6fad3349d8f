import { lookup } from 'node:dns/promises';
import { within } from '../../io/deadline.ts';
import { hostOf } from '../../wire/proxy-target.ts';
import type { TargetHost } from '../../wire/proxy-target.ts';
import type { Failure } from './answers.ts';

export type Address = Exclude<TargetHost, { kind: 'name' }>;

/** Names that are looked up at the same time. */
const MOST_LOOKUPS = 1_024;
/** A resolver has answered by then. */
const LOOKUP_MS = 15_000;

/** Addresses of names, by the host's resolver. */
export class Resolver {
  private readonly family: 0 | 6;
  private running = 0;

  constructor(ipv6Only: boolean) {
    this.family = ipv6Only ? 6 : 0;
  }

  /** The IPv6 addresses of a name first. */
  async addressesOf(host: TargetHost): Promise<readonly Address[] | Failure> {
    if (host.kind === 'ipv4' && this.family === 6) return 'not-allowed';
    if (host.kind !== 'name') return [host];
    if (this.running >= MOST_LOOKUPS) return 'failed';
    this.running++;
    const found = lookup(host.name, { all: true, family: this.family, order: 'verbatim' }).then(
      (all) => all.map(({ address }) => hostOf(address)).filter((one) => one !== undefined) as Address[],
      (error: NodeJS.ErrnoException): Failure => (error.code === 'ENOTFOUND' ? 'not-found' : 'failed'),
    );
    void found.then(() => this.running--);
    const addresses = await within(LOOKUP_MS, found, 'timed-out' as const);
    return typeof addresses === 'string' ? addresses : ipv6First(addresses);
  }
}

function ipv6First(addresses: readonly Address[]): readonly Address[] {
  return [
    ...addresses.filter(({ kind }) => kind === 'ipv6'),
    ...addresses.filter(({ kind }) => kind === 'ipv4'),
  ];
}
