/**
 * The lab that demo, tests and bench share: a small Internet.
 *
 *      native 2001:db8:2::2            server 203.0.113.120, .121
 *         | 2001:db8:2::/64               |  2001:db8:1::2 --- relay's other wire
 *       relay 192.0.2.200 ---------- backbone (203.0.113.0/24, 192.0.2.0/24, 198.51.100.0/24 on one wire)
 *                                       |                |
 *                              nat a 198.51.100.1   nat b 198.51.100.2 ...
 *                                 | 10.1.0.0/24         | 10.2.0.0/24
 *                              client a 10.1.0.2     client b 10.2.0.2
 *
 * The relay's host routes IPv6 between native host, server and tunnel. No host but those three has IPv6.
 */
import { Lab } from './lab.ts';
import { makeNat } from './nat.ts';
import type { NatBehaviour, NatExtras } from './nat.ts';
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
  /** Of the LAN: `10.N.0`. */
  readonly network: string;
}

/** miniupnpd does not work where the outside is a documentation network: this is none. */
const UNDOCUMENTED = '198.52.100';

/** Routes that put all three documentation networks of the backbone, and one more, on one wire. */
const BACKBONE = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', `${UNDOCUMENTED}.0/24`];

export interface SiteOptions extends NatExtras {
  /** The NAT has an address of 198.52.100.0/24, which is nobody's example. */
  readonly undocumented?: boolean;
}

export class Internet {
  readonly lab = new Lab();
  readonly backbone: Namespace;
  readonly server: Namespace;
  readonly relay: Namespace;
  readonly native: Namespace;
  private sites = 0;

  constructor() {
    const { lab } = this;
    this.backbone = lab.switch('backbone');
    this.server = lab.host('server');
    this.relay = lab.host('relay');
    this.native = lab.host('native');
    this.attach(this.server, 'wan', SERVER_ADDRESS, SERVER_SECONDARY);
    this.attach(this.relay, 'wan', RELAY_ADDRESS);
    lab.wire(this.relay, 'v6', ['2001:db8:2::1/64'], this.native, 'v6', [`${NATIVE_ADDRESS}/64`]);
    lab.wire(this.relay, 'v6s', ['2001:db8:1::1/64'], this.server, 'v6', ['2001:db8:1::2/64']);
    this.relay.sysctl('net.ipv6.conf.all.forwarding', '1');
    this.native.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:2::1');
    this.server.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:1::1');
  }

  /** Plugs a host into the backbone; all of it is on one wire. */
  attach(host: Namespace, name: string, ...addresses: string[]): void {
    this.lab.connect(host, name, this.backbone, ...addresses.map((address) => `${address}/24`));
    host.ipBatch(...BACKBONE.map((network) => `route replace ${network} dev ${name} src ${addresses[0]}`));
  }

  /** A NAT with a LAN behind it and a client on that. */
  site(name: string, behaviour: NatBehaviour, { undocumented, ...extras }: SiteOptions = {}): Site {
    const number = ++this.sites;
    const nat = this.lab.host(`nat-${name}`);
    const lan = this.lab.switch(`lan-${name}`);
    const address = `${undocumented === true ? UNDOCUMENTED : '198.51.100'}.${number}`;
    const network = `10.${number}.0`;
    this.attach(nat, 'wan', address);
    this.lab.connect(nat, 'lan', lan, `${network}.1/24`);
    makeNat(nat, { behaviour, outside: 'wan', inside: 'lan', address, client: `${network}.2`, ...extras });
    const client = this.lab.host(`client-${name}`);
    const site = { nat, lan, client, address, network };
    this.join(site, client, 2);
    return site;
  }

  /** Puts a host on a site's LAN. `last`: the last number of its address. */
  join(site: Site, host: Namespace, last: number): void {
    this.lab.connect(host, 'eth', site.lan, `${site.network}.${last}/24`);
    host.ip('route', 'add', 'default', 'via', `${site.network}.1`);
  }

  /** So many hosts behind a port-restricted NAT of their own, which is a host on a site's LAN. */
  nest(outer: Site, count: number): Namespace[] {
    const inner = this.lab.host('inner');
    const lan = this.lab.switch('lan-inner');
    const [outside, inside] = ['eth', 'lan'];
    this.join(outer, inner, 9);
    this.lab.connect(inner, inside, lan, '10.99.0.1/24');
    const address = `${outer.network}.9`;
    makeNat(inner, { behaviour: 'port-restricted', outside, inside, address, client: '10.99.0.2' });
    return Array.from({ length: count }, (_, i) => {
      const host = this.lab.host(`deep-${i + 1}`);
      this.lab.connect(host, 'eth', lan, `10.99.0.${i + 2}/24`);
      host.ip('route', 'add', 'default', 'via', '10.99.0.1');
      return host;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.remove();
  }
}
