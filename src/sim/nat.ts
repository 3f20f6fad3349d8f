import type { Ipv4 } from '../wire/index.ts';
import { Ipv4Network } from './ipv4-network.ts';
import type { Attachment, Ipv4Datagram } from './ipv4-network.ts';
import type { LinkConditions } from './link.ts';
import { NatTable } from './nat-table.ts';
import type { NatOptions } from './nat-options.ts';
import type { World } from './world.ts';

/** A NAT between an outer network and its inner network. A NAT on the inner network of another makes a double NAT. */
export class Nat {
  readonly options: NatOptions;
  /** Hosts behind it attach here. */
  readonly inside: Ipv4Network;
  readonly table: NatTable;
  readonly counters = { out: 0, in: 0, filtered: 0, hairpinned: 0, noPort: 0 };
  private readonly world: World;
  private readonly inner: Attachment;
  private outer: Attachment;

  /** `gateway`: its address on the inner network. `conditions`: those of the link to the outer network. */
  constructor(
    outside: Ipv4Network,
    externalAddress: Ipv4,
    gateway: Ipv4,
    options: NatOptions,
    conditions?: Partial<LinkConditions>,
  ) {
    this.options = options;
    this.world = outside.world;
    this.table = new NatTable(options, this.world.newEntropy());
    this.outer = outside.attach(externalAddress, (datagram) => this.handleOutside(datagram), conditions);
    this.inside = new Ipv4Network(this.world, `${outside.name}/nat`);
    this.inner = this.inside.attach(gateway, (datagram) => this.handleInside(datagram));
    this.inside.gateway = this.inner;
  }

  get externalAddress(): Ipv4 {
    return this.outer.address;
  }

  /** The link to the outer network. */
  get link(): LinkConditions {
    return this.outer.link;
  }

  /** Removes all mappings, as a reboot does. */
  flush(): void {
    this.table.flush();
  }

  /** Changes the address on the outer network and removes all mappings. */
  setExternalAddress(address: Ipv4): void {
    const { network, receive, link } = this.outer;
    network.detach(this.outer);
    this.outer = network.attach(address, receive, link);
    this.flush();
  }

  private handleInside(datagram: Ipv4Datagram): void {
    if (datagram.destination === this.inner.address) return;
    const hairpin = datagram.destination === this.outer.address;
    if (hairpin && !this.options.hairpinning) {
      this.counters.filtered++;
      return;
    }
    const mapping = this.table.outbound(
      datagram.source,
      datagram.sourcePort,
      datagram.destination,
      datagram.destinationPort,
      this.world.now,
    );
    if (mapping === undefined) {
      this.counters.noPort++;
      return;
    }
    const translated = {
      ...datagram,
      source: this.outer.address,
      sourcePort: mapping.externalPort,
      timeToLive: datagram.timeToLive - 1,
    };
    if (hairpin) {
      this.counters.hairpinned++;
      this.handleOutside(translated);
    } else {
      this.counters.out++;
      this.outer.send(translated);
    }
  }

  private handleOutside(datagram: Ipv4Datagram): void {
    const mapping = this.table.inbound(
      datagram.destinationPort,
      datagram.source,
      datagram.sourcePort,
      this.world.now,
    );
    if (mapping === undefined) {
      this.counters.filtered++;
      return;
    }
    this.counters.in++;
    this.inner.send({
      ...datagram,
      destination: mapping.address,
      destinationPort: mapping.port,
      timeToLive: datagram.timeToLive - 1,
    });
  }
}
