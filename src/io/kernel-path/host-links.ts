import { readLinks, receives } from '../../linux/links.ts';
import type { Link } from '../../linux/links.ts';
import { isPairEnd } from '../../linux/merging-pair.ts';
import { featuresOf, isHardware } from '../../linux/offloads.ts';
import type { Features } from '../../linux/offloads.ts';
import { readSysctl } from '../../linux/proc.ts';
import { tunnelOffloads } from '../../linux/tunnel-offloads.ts';
import type { LinkFacts, TunnelOffloads } from '../../linux/tunnel-offloads.ts';

/** Interfaces whose parts receive for themselves; the parts of all other masters (bridge, bond ...) do not. */
const VRF = 'vrf';
const STRICT = 1;

/** The interfaces of this host at one moment. */
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

  /** Finds an interface by the name that an address gives: the part behind a colon is a label. */
  named(name: string): Link | undefined {
    const [plain] = name.split(':');
    return [...this.links.values()].find((link) => link.name === plain);
  }

  /** The interface at which packets for another one enter the stack: the bridge, bond ... that it is a part of, or itself. */
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

  /**
   * The interfaces at which a datagram for this host may arrive. A part of a bridge, bond ... is left out: it hands its frames on to the
   * master.
   */
  receivers(): Link[] {
    return [...this.links.values()].filter(
      (link) => link.isUp && receives(link) && !isPairEnd(link) && this.receiverFor(link) === link,
    );
  }
}

/**
 * Whether the host accepts from each source only packets that arrive where it would send to that source (rp_filter 1; RFC 3704 section
 * 2.2). The larger of the values of `all` and of the interface applies.
 * Example: the route to 203.0.113.0/24 leads by `wan1`. A datagram from 203.0.113.5 that arrives at `wan2` is dropped.
 */
export function isStrict({ name }: Pick<Link, 'name'>): boolean {
  const values = ['all', name].map((where) => Number(readSysctl(`net/ipv4/conf/${where}/rp_filter`) ?? 0));
  return Math.max(...values) === STRICT;
}
