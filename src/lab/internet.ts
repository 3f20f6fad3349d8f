/**
 * The lab of the demo, the tests and the benchmarks: a small Internet.
 *
 *      native 2001:db8:2::2            server 203.0.113.120, .121
 *         | 2001:db8:2::/64               |  2001:db8:1::2 --- second wire of the relay
 *       relay 192.0.2.200 ---------- backbone (203.0.113.0/24, 192.0.2.0/24, 198.51.100.0/24 on one wire)
 *                                       |                |
 *                              nat a 198.51.100.1   nat b 198.51.100.2 ...
 *                                 | 10.1.0.0/24         | 10.2.0.0/24
 *                              client a 10.1.0.2     client b 10.2.0.2
 *
 * The relay's host routes IPv6 between native host, server and tunnel. Only these three have IPv6.
 */
import { Lab } from './lab.ts';
import { makeNat } from './nat.ts';
import type { NatBehaviour, NatExtras, NatOptions } from './nat.ts';
import type { Namespace } from './namespace.ts';

export const SERVER_ADDRESS = '203.0.113.120';
export const SERVER_SECONDARY = '203.0.113.121';
export const RELAY_ADDRESS = '192.0.2.200';
export const NATIVE_ADDRESS = '2001:db8:2::2';

export interface Site {
  readonly nat: Namespace;
  readonly lan: Namespace;
  readonly client: Namespace;
  /** The NAT's address on the backbone. */
  readonly address: string;
  /** The first three octets of the LAN's addresses: `10.N.0`. */
  readonly network: string;
  /** The options of its NAT. */
  readonly options: NatOptions;
}

/** Interface names of a NAT. */
const [OUTSIDE, INSIDE] = ['wan', 'lan'];

/** miniupnpd refuses an outside address of a documentation network. This network is not one. */
const UNDOCUMENTED = '198.52.100';

/** The networks of the backbone: the three documentation networks and one more, all on one wire. */
const BACKBONE = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', `${UNDOCUMENTED}.0/24`];

export interface SiteOptions extends NatExtras {
  /** The NAT has an address of 198.52.100.0/24, which is not a documentation network. */
  readonly undocumented?: boolean;
}

export class Internet {
  readonly lab = new Lab();
  readonly backbone: Namespace;
  readonly server: Namespace;
  readonly relay: Namespace;
  readonly native: Namespace;
  private sites = 0;
  private neighbours = 0;

  constructor() {
    [this.backbone, this.server, this.relay, this.native] = this.lab.inOne(() => this.make());
  }

  private make(): [backbone: Namespace, server: Namespace, relay: Namespace, native: Namespace] {
    const { lab } = this;
    const backbone = lab.switch('backbone');
    const [server, relay, native] = [lab.host('server'), lab.host('relay'), lab.host('native')];
    this.plugIn(backbone, server, 'wan', SERVER_ADDRESS, SERVER_SECONDARY);
    this.plugIn(backbone, relay, 'wan', RELAY_ADDRESS);
    lab.wire(relay, 'v6', ['2001:db8:2::1/64'], native, 'v6', [`${NATIVE_ADDRESS}/64`]);
    lab.wire(relay, 'v6s', ['2001:db8:1::1/64'], server, 'v6', ['2001:db8:1::2/64']);
    relay.sysctl('net.ipv6.conf.all.forwarding', '1');
    native.ipBatch('route add default via 2001:db8:2::1');
    server.ipBatch('route add default via 2001:db8:1::1');
    return [backbone, server, relay, native];
  }

  /** Connects a host to the backbone. */
  attach(host: Namespace, name: string, ...addresses: string[]): void {
    this.plugIn(this.backbone, host, name, ...addresses);
  }

  private plugIn(backbone: Namespace, host: Namespace, name: string, ...addresses: string[]): void {
    this.lab.inOne(() => {
      this.lab.connect(host, name, backbone, ...addresses.map((address) => `${address}/24`));
      host.ipBatch(...BACKBONE.map((network) => `route replace ${network} dev ${name} src ${addresses[0]}`));
    });
  }

  /** Adds a NAT, a LAN behind it and a client on the LAN. */
  site(name: string, behaviour: NatBehaviour, { undocumented, ...extras }: SiteOptions = {}): Site {
    const address = `${undocumented === true ? UNDOCUMENTED : '198.51.100'}.${this.sites + 1}`;
    const kind = { behaviour, ...extras };
    return this.lab.inOne(() =>
      this.makeSite(name, address, kind, (nat) => this.attach(nat, OUTSIDE, address)),
    );
  }

  /** The same on the LAN of another site: a NAT behind a NAT. */
  nest(outer: Site, name: string, behaviour: NatBehaviour, extras: NatExtras = {}): Site {
    const last = 100 + this.sites;
    const address = `${outer.network}.${last}`;
    const kind = { behaviour, ...extras };
    return this.lab.inOne(() =>
      this.makeSite(name, address, kind, (nat) => this.join(outer, nat, last, OUTSIDE)),
    );
  }

  /** Adds a client to a site's LAN. */
  neighbour(site: Site): Namespace {
    return this.lab.inOne(() => {
      const host = this.lab.host(`neighbour-${++this.neighbours}`);
      this.join(site, host, 2 + this.neighbours);
      return host;
    });
  }

  /** Connects a host to a site's LAN. `last`: the last octet of its address. */
  join(site: Site, host: Namespace, last: number, name = 'eth'): void {
    this.lab.inOne(() => {
      this.lab.connect(host, name, site.lan, `${site.network}.${last}/24`);
      host.ipBatch(`route add default via ${site.network}.1`);
    });
  }

  private makeSite(
    name: string,
    address: string,
    kind: Pick<NatOptions, 'behaviour'> & NatExtras,
    plugIn: (nat: Namespace) => void,
  ): Site {
    const network = `10.${++this.sites}.0`;
    const nat = this.lab.host(`nat-${name}`);
    const lan = this.lab.switch(`lan-${name}`);
    plugIn(nat);
    this.lab.connect(nat, INSIDE, lan, `${network}.1/24`);
    const options = { ...kind, outside: OUTSIDE, inside: INSIDE, address };
    makeNat(nat, options);
    const client = this.lab.host(`client-${name}`);
    const site = { nat, lan, client, address, network, options };
    this.join(site, client, 2);
    return site;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.remove();
  }
}
