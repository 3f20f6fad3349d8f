import { GATEWAY_BY_ROUTE, MAX_UPLINKS, UPLINK } from '../../linux/bpf/layout.ts';
import type { Program } from '../../linux/bpf/program.ts';
import { writeRecord } from '../../linux/bpf/records.ts';
import type { Ipv4Route } from '../../linux/ipv4-routes.ts';
import { RouteQuery } from '../../linux/route-query.ts';
import type { Way } from '../../linux/route-query.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import { Arrivals } from './arrivals.ts';
import { HostLinks } from './host-links.ts';
import { OutwardRules } from './outward-rules.ts';
import type { HostNetwork, UplinkState } from '../ports.ts';
import { RouteTable } from './route-table.ts';
import { otherArrivals, situationOf, stateOf } from './uplink-situation.ts';
import type { Situation } from './uplink-situation.ts';

/** So many may have a next hop of their own; through however many more an interface leads, one is left for each interface. */
const MOST_WITH_GATEWAY = MAX_UPLINKS / 2;
/** Destinations whose ways are remembered; the ways of more are asked for each time, and not followed one by one. */
const MOST_FOLLOWED = 4_096;
/** Interfaces by which nothing is carried, of which {@link Uplinks.states} tells. */
const MOST_REFUSALS = 16;

interface Uplink {
  readonly number: number;
  readonly way: Pick<Way, 'source' | 'ifindex' | 'mtu'>;
  /** As in the kernel's record of it. */
  readonly gateway: number;
  /** What the program is configured for. */
  readonly situation: Situation;
}

/**
 * The ways by which peers are reached: a source address, the interface that its datagrams leave from, which need not be the
 * one that has the address, and the next hop. The kernel's programs know each by its number here. While routes are changing they ask
 * the kernel for the next hop of each packet.
 */
export class Uplinks {
  private readonly program: Program;
  private readonly network: HostNetwork;
  private readonly routes: RouteQuery;
  private readonly arrivals: Arrivals;
  private readonly rules = new OutwardRules();
  /** By source, interface, gateway and the route's MTU; undefined: nothing can be carried that way. */
  private readonly uplinks = new Map<string, Uplink | undefined>();
  /** Why nothing is carried by an interface, by its index. */
  private readonly refusals = new Map<number, UplinkState>();
  /** The number of the way to each destination, as it was last found. */
  private readonly followed = new Map<Ipv4, number | undefined>();
  private crowded = false;
  private changing = false;
  /** Read when they are first needed after a change, and what was found by them. */
  private links: HostLinks | undefined;
  private table: RouteTable | undefined;
  private readonly byRoute = new Map<Ipv4Route, number>();

  /** `local`: what the socket is bound to. */
  constructor(program: Program, network: HostNetwork, local: Endpoint, handle: number) {
    this.program = program;
    this.network = network;
    this.routes = new RouteQuery(local.address, local.port);
    this.arrivals = new Arrivals(program.program('decap'), handle);
    this.rules.look();
  }

  /** Looks at the host's rules for what leaves; true where they may have changed, of which the kernel sends no message. */
  lookAtRules(): boolean {
    return this.rules.look();
  }

  /** What of the host's rules could not be asked for, in words. */
  get unknownRules(): string | undefined {
    return this.rules.unknown;
  }

  /** Whether the program is still where datagrams come in. */
  get areAttached(): boolean {
    return this.arrivals.areThere;
  }

  /** The interfaces by which peers are reached, those by which nothing is carried last. */
  get states(): readonly UplinkState[] {
    const states = new Map<number, UplinkState>();
    const used = new Set(this.followed.values());
    for (const uplink of this.uplinks.values()) {
      if (uplink === undefined || !(this.crowded || used.has(uplink.number))) continue;
      states.set(uplink.way.ifindex, stateOf(uplink.situation));
    }
    return [...states.values(), ...this.refusals.values()];
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
    this.forgetTable();
    return [...this.uplinks.values()].every(
      (uplink) =>
        uplink === undefined ||
        JSON.stringify(this.situationOf(uplink.way)) === JSON.stringify(uplink.situation),
    );
  }

  /** Asks for the ways to all followed destinations anew: those that have changed, with their ways before. */
  follow(): Map<Ipv4, number | undefined> {
    this.forgetTable();
    // What could not be had before may be to be had now.
    for (const [key, uplink] of this.uplinks) if (uplink === undefined) this.uplinks.delete(key);
    this.refusals.clear();
    const changed = new Map<Ipv4, number | undefined>();
    for (const [destination, before] of this.followed) {
      const now = this.find(destination);
      if (now === before) continue;
      changed.set(destination, before);
      this.followed.set(destination, now);
    }
    this.followArrivals();
    return changed;
  }

  /** Forgets all ways: they are asked for anew. */
  reset(): void {
    this.arrivals.close();
    this.uplinks.clear();
    this.refusals.clear();
    this.followed.clear();
    this.crowded = this.changing = false;
    this.forgetTable();
  }

  /** False where the system refuses for now to take a program away: this may be called again. Throws never. */
  close(): boolean {
    this.routes.close();
    return this.arrivals.close();
  }

  private find(destination: Ipv4): number | undefined {
    this.table ??= RouteTable.read(this.network.ipv4Subnets().map(({ address }) => address));
    if (this.table.isByPort) {
      this.refuseTo(destination, 'a routing rule looks at the destination port');
      return undefined;
    }
    const route = this.table.routeTo(destination);
    const known = route === undefined ? undefined : this.byRoute.get(route);
    if (known !== undefined) return known;
    const way = this.ask(destination);
    const number = way && this.numberOf(way);
    if (route !== undefined && number !== undefined && !way!.isRedirected) this.byRoute.set(route, number);
    return number;
  }

  private forgetTable(): void {
    this.links = this.table = undefined;
    this.byRoute.clear();
  }

  private ask(destination: Ipv4): Way | undefined {
    const way = this.routes.wayTo(destination);
    if (way === undefined)
      this.refuseTo(destination, 'rules or routes lead a program elsewhere than the socket');
    // A program sends with the host's default TTL.
    if (way !== undefined && way.ttl !== 0)
      return this.refuse(way.ifindex, 'its route has a hop limit of its own');
    return way;
  }

  private numberOf(way: Way): number | undefined {
    const gateway = gatewayOf(way);
    return (this.known(way, gateway) ?? this.known(way, GATEWAY_BY_ROUTE))?.number;
  }

  private known(way: Way, gateway: number): Uplink | undefined {
    const key = `${way.source} ${way.ifindex} ${gateway} ${way.mtu}`;
    if (this.uplinks.has(key)) return this.uplinks.get(key);
    const uplink = this.open(way, gateway);
    this.uplinks.set(key, uplink);
    if (uplink !== undefined) this.followArrivals();
    return uplink;
  }

  private open({ source, ifindex, mtu }: Way, gateway: number): Uplink | undefined {
    const number = [...this.uplinks.values()].filter((uplink) => uplink !== undefined).length;
    if (gateway !== GATEWAY_BY_ROUTE && number >= MOST_WITH_GATEWAY) return undefined;
    const situation = this.situationOf({ source, ifindex, mtu });
    if (typeof situation === 'string') return this.refuse(ifindex, situation);
    if (number >= MAX_UPLINKS) return this.refuse(ifindex, `there are ${MAX_UPLINKS} others`);
    if (!situation.ingress.every((at) => this.arrivals.need(at)))
      return this.refuse(ifindex, 'no program can be attached where its datagrams come in');
    const uplink = { number, way: { source, ifindex, mtu }, gateway, situation };
    this.write(uplink);
    return uplink;
  }

  private refuseTo(destination: Ipv4, reason: string): void {
    const ifindex = this.routes.interfaceTo(destination);
    if (ifindex !== undefined) this.refuse(ifindex, reason);
  }

  private refuse(ifindex: number, reason: string): undefined {
    const { name, kind } = this.hostLinks.links.get(ifindex) ?? { name: `interface ${ifindex}`, kind: '' };
    if (this.refusals.size < MOST_REFUSALS)
      this.refusals.set(ifindex, { interface: name, kind, carried: 'none', reason });
  }

  private writeAll(): void {
    for (const uplink of this.uplinks.values()) if (uplink !== undefined) this.write(uplink);
  }

  private write({ number, way, situation, gateway }: Uplink): void {
    writeRecord(this.program.map('uplinks'), number, UPLINK.SIZE, (view) => {
      view.setUint32(UPLINK.ifindex, situation.egress.ifindex, true);
      view.setUint32(UPLINK.source, way.source);
      // As for what the socket sends: a route may say less than its interface.
      view.setUint32(UPLINK.mtu, Math.min(situation.egress.mtu, way.mtu || Infinity), true);
      view.setUint32(UPLINK.finishes, Number(situation.finishes), true);
      view.setUint32(UPLINK.gateway, this.changing ? GATEWAY_BY_ROUTE : gateway);
      view.setUint32(UPLINK.cuts, Number(situation.cutFor !== null), true);
    });
  }

  /** Text where a program can do nothing. What comes in where none is goes through the socket, as it always may. */
  private situationOf(way: Uplink['way']): Situation | string {
    const situation = situationOf(way, this.hostLinks, this.network);
    return typeof situation === 'string'
      ? situation
      : (this.rules.against(situation.egress.name) ?? situation);
  }

  /** Where nothing is carried out, nothing is carried in either. */
  private followArrivals(): void {
    const isUsed = [...this.uplinks.values()].some((uplink) => uplink !== undefined);
    this.arrivals.follow(isUsed ? otherArrivals(this.hostLinks, this.network) : []);
  }

  private get hostLinks(): HostLinks {
    this.links ??= new HostLinks();
    return this.links;
  }
}

/** As the kernel's record has it: next hops of IPv4 only are put there. */
function gatewayOf({ gateway }: Way): number {
  if (gateway === '') return 0;
  return gateway.length === 8 ? Number.parseInt(gateway, 16) : GATEWAY_BY_ROUTE;
}
