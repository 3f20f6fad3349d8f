import type { Ipv4 } from '../wire/index.ts';
import { Link } from './link.ts';
import type { LinkConditions } from './link.ts';
import type { World } from './world.ts';

/** A UDP datagram over IPv4. Immutable: a NAT makes a new one. */
export interface Ipv4Datagram {
  readonly source: Ipv4;
  readonly sourcePort: number;
  readonly destination: Ipv4;
  readonly destinationPort: number;
  readonly timeToLive: number;
  /** Default 0. */
  readonly tos?: number;
  readonly payload: Uint8Array;
}

/** Octets of the IPv4 packet. */
export function ipv4Size(datagram: Ipv4Datagram): number {
  return 28 + datagram.payload.length;
}

export type DatagramHandler = (datagram: Ipv4Datagram) => void;

/** An address on a network, and the link that leads to it. */
export class Attachment {
  readonly network: Ipv4Network;
  readonly address: Ipv4;
  readonly link: Link;
  readonly receive: DatagramHandler;
  /** The groups that the host has joined. */
  readonly groups = new Set<Ipv4>();
  /** Called with every datagram that leaves or arrives here. */
  readonly taps: DatagramHandler[] = [];

  constructor(network: Ipv4Network, address: Ipv4, link: Link, receive: DatagramHandler) {
    this.network = network;
    this.address = address;
    this.link = link;
    this.receive = receive;
  }

  /** Sends a datagram over the host's link to the network. */
  send(datagram: Ipv4Datagram): void {
    for (const tap of this.taps) tap(datagram);
    this.link.carry(ipv4Size(datagram), () => this.network.route(datagram, this));
  }

  /** Takes a datagram from the network; it arrives over the host's link. */
  arrive(datagram: Ipv4Datagram): void {
    // After the host has left the network, datagrams under way and duplicates do not reach it.
    if (!this.network.has(this)) return;
    for (const tap of this.taps) tap(datagram);
    this.receive(datagram);
  }
}

/**
 * A network whose IPv4 addresses reach each other directly: the public internet, a home's LAN, a carrier's inner network.
 * Datagrams to other addresses go to the gateway, if there is one.
 */
export class Ipv4Network {
  readonly name: string;
  readonly world: World;
  /** Takes datagrams to addresses that are not on this network. */
  gateway: Attachment | undefined;
  /** Called with every datagram that a host sends onto the network. */
  readonly taps: DatagramHandler[] = [];
  readonly counters = { routed: 0, unroutable: 0, expired: 0 };
  private readonly attachments = new Map<Ipv4, Attachment>();

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  /** Assigns `address` to a member. Throws a RangeError if it is taken. */
  attach(address: Ipv4, receive: DatagramHandler, conditions?: Partial<LinkConditions>): Attachment {
    if (this.attachments.has(address)) throw new RangeError(`address is taken on ${this.name}`);
    const attachment = new Attachment(this, address, new Link(this.world, conditions), receive);
    this.attachments.set(address, attachment);
    return attachment;
  }

  detach(attachment: Attachment): void {
    if (this.has(attachment)) this.attachments.delete(attachment.address);
  }

  has(attachment: Attachment): boolean {
    return this.attachments.get(attachment.address) === attachment;
  }

  /** The member with this address. */
  find(address: Ipv4): Attachment | undefined {
    return this.attachments.get(address);
  }

  route(datagram: Ipv4Datagram, from: Attachment): void {
    for (const tap of this.taps) tap(datagram);
    if (datagram.destination >>> 28 === 0xe) {
      this.multicast(datagram, from);
      return;
    }
    const to = this.attachments.get(datagram.destination) ?? this.gateway;
    if (to === undefined || (to === this.gateway && from === to)) {
      this.counters.unroutable++;
    } else if (to === this.gateway && datagram.destination !== to.address && datagram.timeToLive <= 1) {
      this.counters.expired++;
    } else {
      this.counters.routed++;
      to.link.carry(ipv4Size(datagram), () => to.arrive(datagram));
    }
  }

  /** Datagrams to a group stay on the network: the gateway does not forward them. */
  private multicast(datagram: Ipv4Datagram, from: Attachment): void {
    for (const to of this.attachments.values()) {
      if (to === from || !to.groups.has(datagram.destination)) continue;
      to.link.carry(ipv4Size(datagram), () => to.arrive(datagram));
    }
  }
}
