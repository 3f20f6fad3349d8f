import { attach } from '../linux/bpf/attachment.ts';
import type { Attachment } from '../linux/bpf/attachment.ts';
import { SystemCallError } from '../linux/errors.ts';
import { GATEWAY_BY_ROUTE, MAX_UPLINKS, UPLINK } from '../linux/bpf/layout.ts';
import type { Program } from '../linux/bpf/program.ts';
import { writeRecord } from '../linux/bpf/records.ts';
import type { Ipv4Route } from '../linux/ipv4-routes.ts';
import { RouteQuery } from '../linux/route-query.ts';
import type { Way } from '../linux/route-query.ts';
import type { Link, WayOut } from '../linux/way-out.ts';
import type { Endpoint, Ipv4 } from '../wire/index.ts';
import type { HostNetwork } from './ports.ts';
import { RouteTable } from './route-table.ts';

/** So many may have a next hop of their own; through however many more an interface leads, one is left for each interface. */
const MOST_WITH_GATEWAY = MAX_UPLINKS / 2;
/** Destinations whose ways are remembered; the ways of more are asked for each time, and not followed one by one. */
const MOST_FOLLOWED = 4_096;

interface Uplink {
  readonly number: number;
  readonly way: Pick<Way, 'source' | 'ifindex'>;
  readonly egress: Link;
  /** As in the kernel's record of it. */
  readonly gateway: number;
  /** What the program is configured for. */
  readonly situation: string;
}

/** Where peers' packets leave, and where they come in. */
interface Situation {
  readonly egress: Link;
  /** Indexes of the interfaces that what is sent to the source may come in on. */
  readonly ingress: readonly number[];
}

/**
 * The ways by which peers are reached: a source address, the interface that its datagrams leave from, which need not be the
 * one that has the address, and the next hop. The kernel's programs know each by its number here. While routes are changing they ask
 * the kernel for the next hop of each packet.
 */
export class Uplinks {
  private readonly program: Program;
  private readonly wayOut: WayOut;
  private readonly network: HostNetwork;
  private readonly routes: RouteQuery;
  private readonly handle: number;
  /** By source, interface and gateway; undefined: nothing can be carried that way. */
  private readonly uplinks = new Map<string, Uplink | undefined>();
  private readonly finishing = new Set<number>();
  private readonly attachments = new Map<number, Attachment>();
  /** The number of the way to each destination, as it was last found. */
  private readonly followed = new Map<Ipv4, number | undefined>();
  private crowded = false;
  private changing = false;
  /** Read when it is first needed after a change, and what was found by it. */
  private table: RouteTable | undefined;
  private readonly byRoute = new Map<Ipv4Route, number>();

  /** `local`: what the socket is bound to. */
  constructor(program: Program, wayOut: WayOut, network: HostNetwork, local: Endpoint, handle: number) {
    this.program = program;
    this.wayOut = wayOut;
    this.network = network;
    this.routes = new RouteQuery(local.address, local.port);
    this.handle = handle;
  }

  /** The number of the way to a destination; undefined where the kernel path leads none. */
  towards(destination: Ipv4): number | undefined {
    if (this.followed.has(destination)) return this.followed.get(destination);
    const number = this.find(destination);
    if (this.followed.size < MOST_FOLLOWED) this.followed.set(destination, number);
    else this.crowded = true;
    return number;
  }

  /** Whether there are destinations whose ways are not followed one by one. */
  get isCrowded(): boolean {
    return this.crowded;
  }

  /** Whether what leaves by this way is cut and has its checksums. */
  finishes(number: number): boolean {
    return this.finishing.has(number);
  }

  /** Routes are changing: until they have been followed, next hops are what the kernel says. */
  askRoutes(): void {
    if (this.changing) return;
    this.changing = true;
    this.writeAll();
  }

  /** All destinations have been followed to where they are now. */
  knowRoutes(): void {
    if (!this.changing) return;
    this.changing = false;
    this.writeAll();
  }

  /** Whether all interfaces are as they were found. */
  areAsBefore(): boolean {
    return [...this.uplinks.values()].every(
      (uplink) =>
        uplink === undefined || JSON.stringify(this.situationOf(uplink.way) ?? null) === uplink.situation,
    );
  }

  /** Asks for the ways to all followed destinations anew: those that have changed, with their ways before. */
  follow(): Map<Ipv4, number | undefined> {
    this.forgetTable();
    // What could not be had before may be to be had now.
    for (const [key, uplink] of this.uplinks) if (uplink === undefined) this.uplinks.delete(key);
    const changed = new Map<Ipv4, number | undefined>();
    for (const [destination, before] of this.followed) {
      const now = this.find(destination);
      if (now === before) continue;
      changed.set(destination, before);
      this.followed.set(destination, now);
    }
    return changed;
  }

  /** Forgets all ways: they are asked for anew. */
  reset(): void {
    this.detach();
    this.uplinks.clear();
    this.finishing.clear();
    this.followed.clear();
    this.crowded = this.changing = false;
    this.forgetTable();
  }

  close(): void {
    this.detach();
    this.routes.close();
  }

  private find(destination: Ipv4): number | undefined {
    this.table ??= RouteTable.read(this.network.ipv4Subnets().map(({ address }) => address));
    const route = this.table.routeTo(destination);
    const known = route === undefined ? undefined : this.byRoute.get(route);
    if (known !== undefined) return known;
    const number = this.ask(destination);
    if (route !== undefined && number !== undefined) this.byRoute.set(route, number);
    return number;
  }

  private forgetTable(): void {
    this.table = undefined;
    this.byRoute.clear();
  }

  private ask(destination: Ipv4): number | undefined {
    const way = this.routes.wayTo(destination);
    if (way === undefined) return undefined;
    const gateway = gatewayOf(way);
    return (this.known(way, gateway) ?? this.known(way, GATEWAY_BY_ROUTE))?.number;
  }

  private known(way: Way, gateway: number): Uplink | undefined {
    const key = `${way.source} ${way.ifindex} ${gateway}`;
    if (!this.uplinks.has(key)) this.uplinks.set(key, this.open(way, gateway));
    return this.uplinks.get(key);
  }

  private open(way: Way, gateway: number): Uplink | undefined {
    const number = [...this.uplinks.values()].filter((uplink) => uplink !== undefined).length;
    if (gateway !== GATEWAY_BY_ROUTE && number >= MOST_WITH_GATEWAY) return undefined;
    const situation = this.situationOf(way);
    if (situation === undefined || number >= MAX_UPLINKS) return undefined;
    if (!situation.ingress.every((ifindex) => this.attachTo(ifindex))) return undefined;
    const { egress } = situation;
    if (egress.finishes) this.finishing.add(number);
    const { source, ifindex } = way;
    const uplink = {
      number,
      way: { source, ifindex },
      egress,
      gateway,
      situation: JSON.stringify(situation),
    };
    this.write(uplink);
    return uplink;
  }

  private writeAll(): void {
    for (const uplink of this.uplinks.values()) if (uplink !== undefined) this.write(uplink);
  }

  private write({ number, way, egress, gateway }: Uplink): void {
    writeRecord(this.program.map('uplinks'), number, UPLINK.SIZE, (view) => {
      view.setUint32(UPLINK.ifindex, egress.ifindex, true);
      view.setUint32(UPLINK.source, way.source);
      view.setUint32(UPLINK.mtu, egress.mtu, true);
      view.setUint32(UPLINK.finishes, Number(egress.finishes), true);
      view.setUint32(UPLINK.gateway, this.changing ? GATEWAY_BY_ROUTE : gateway);
    });
  }

  /** Undefined where a program can do nothing. What comes in where none is goes through the socket, as it always may. */
  private situationOf({ source, ifindex }: Uplink['way']): Situation | undefined {
    const egress = this.wayOut.linkAt(ifindex);
    const owners = this.network.ipv4Subnets().filter(({ address }) => address === source);
    if (egress?.isEthernet !== true || owners.length === 0) return undefined;
    const links = [egress, ...owners.map((owner) => this.wayOut.link(owner.interface))];
    const ingress = links.flatMap((link) => (link?.isEthernet === true ? [link.ifindex] : []));
    return { egress, ingress: [...new Set(ingress)] };
  }

  /** Whether what comes in on an interface passes the program. */
  private attachTo(ifindex: number): boolean {
    if (this.attachments.has(ifindex)) return true;
    try {
      const program = this.program.program('decap');
      this.attachments.set(ifindex, attach(program, ifindex, 'ingress', this.handle));
      return true;
    } catch (error) {
      // The interface may have gone this moment; peers behind it are served by user space.
      if (error instanceof SystemCallError) return false;
      throw error;
    }
  }

  private detach(): void {
    for (const attachment of this.attachments.values()) attachment.close();
    this.attachments.clear();
  }
}

/** As the kernel's record has it: next hops of IPv4 only are put there. */
function gatewayOf({ gateway }: Way): number {
  if (gateway === '') return 0;
  return gateway.length === 8 ? Number.parseInt(gateway, 16) : GATEWAY_BY_ROUTE;
}
