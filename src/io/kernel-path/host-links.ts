import { readLinks, receives } from '../../linux/links.ts';
import type { Link } from '../../linux/links.ts';
import { featuresOf, isHardware } from '../../linux/offloads.ts';
import type { Features } from '../../linux/offloads.ts';
import { readSysctl } from '../../linux/proc.ts';
import { tunnelOffloads } from '../../linux/tunnel-offloads.ts';
import type { LinkFacts, TunnelOffloads } from '../../linux/tunnel-offloads.ts';

/** Its parts receive for themselves; the parts of all other masters (bridge, bond ...) do not. */
const VRF = 'vrf';
const STRICT = 1;

/** The interfaces of this host as they are at one moment. */
export class HostLinks implements LinkFacts {
  readonly links: ReadonlyMap<number, Link> = readLinks();
  private readonly known = new Map<number, Features | undefined>();

  features({ ifindex, name }: Link): Features | undefined {
    if (!this.known.has(ifindex)) this.known.set(ifindex, featuresOf(name));
    return this.known.get(ifindex);
  }

  isHardware({ name }: Link): boolean {
    return isHardware(name);
  }

  offloadsOf(link: Link): TunnelOffloads {
    return tunnelOffloads(link, this);
  }

  /** Of a name as addresses have it: behind a colon there is a label. */
  named(name: string): Link | undefined {
    const [plain] = name.split(':');
    return [...this.links.values()].find((link) => link.name === plain);
  }

  /** Where the packets come in that arrive at an interface: at itself, or at the bridge, bond ... that it is a part of. */
  receiverFor(link: Link): Link {
    const seen = new Set<number>();
    let receiver = link;
    for (;;) {
      seen.add(receiver.ifindex);
      const master = this.links.get(receiver.master);
      if (master === undefined || master.kind === VRF || seen.has(master.ifindex)) return receiver;
      receiver = master;
    }
  }

  /** Those at which a datagram of this host may come in. What is part of a bridge, bond ... hands its frames on to that. */
  receivers(): Link[] {
    return [...this.links.values()].filter(
      (link) => link.isUp && receives(link) && this.receiverFor(link) === link,
    );
  }
}

/**
 * Whether the host takes from each source only what it would send there (rp_filter of 1; RFC 3704 section 2.2). The larger value of the
 * interface and of all counts.
 */
export function isStrict({ name }: Pick<Link, 'name'>): boolean {
  const values = ['all', name].map((where) => Number(readSysctl(`net/ipv4/conf/${where}/rp_filter`) ?? 0));
  return Math.max(...values) === STRICT;
}
