import { Link } from './link.ts';
import type { LinkConditions } from './link.ts';
import type { World } from './world.ts';

/** Takes a whole IPv6 packet, which is not changed afterwards. */
export type PacketHandler = (packet: Uint8Array) => void;

/** A point-to-point IPv6 link. Senders use `toB` or `toA`; each end has a handler for the packets that arrive. */
export class Ipv6Link {
  readonly link: Link;
  private readonly a: PacketHandler;
  private readonly b: PacketHandler;

  constructor(world: World, a: PacketHandler, b: PacketHandler, conditions?: Partial<LinkConditions>) {
    this.link = new Link(world, conditions);
    this.a = a;
    this.b = b;
  }

  readonly toA: PacketHandler = (packet) => this.link.carry(packet.length, () => this.a(packet));
  readonly toB: PacketHandler = (packet) => this.link.carry(packet.length, () => this.b(packet));
}
