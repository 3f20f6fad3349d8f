import { ArrivalMap } from '../../linux/bpf/arrival-map.ts';
import { GATEWAY_BY_ROUTE, MAX_UPLINKS, UPLINK } from '../../linux/bpf/layout.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import type { PeerProgram } from '../../linux/bpf/peer-program.ts';
import { writeRecord } from '../../linux/bpf/records.ts';
import type { Ipv4Route } from '../../linux/ipv4-routes.ts';
import type { Link } from '../../linux/links.ts';
import { RouteQuery } from '../../linux/route-query.ts';
import type { Way } from '../../linux/route-query.ts';
import type { Endpoint, Ipv4 } from '../../wire/index.ts';
import { Arrivals } from './arrivals.ts';
import { HostLinks, isStrict } from './host-links.ts';
import { QUEUES } from './merging.ts';
import type { Merging, MergingChoice } from './merging.ts';
import { OutwardRules } from './outward-rules.ts';
import type { HostNetwork, UplinkState, XdpWish } from '../ports.ts';
import { RouteTable } from './route-table.ts';
import { otherArrivals, situationOf, stateOf } from './uplink-situation.ts';
import type { Situation } from './uplink-situation.ts';
import { XdpArrivals } from './xdp-arrivals.ts';

/** The most uplinks with a next hop of their own. One number is left for each interface, for all further next hops there. */
const MOST_WITH_GATEWAY = MAX_UPLINKS / 2;
/**
 * The most destinations whose uplinks are remembered. The kernel is asked each time about further ones, and they are not followed one by
 * one.
 */
const MOST_FOLLOWED = 4_096;
/** The most interfaces without a kernel path that {@link Uplinks.states} lists. */
const MOST_REFUSALS = 16;
/** Packets that are in the pair at so many looks are lost: no further packet waits for them. */
const LOOKS_WITH_PACKETS = 2;

interface Uplink {
  readonly number: number;
  readonly way: Pick<Way, 'source' | 'ifindex' | 'mtu'>;
  /** The same as in the kernel's record. */
  readonly gateway: number;
  /** The situation for which the program is configured. */
  readonly situation: Situation;
}

/**
 * The uplinks by which peers are reached. An uplink is a source address, the interface by which its datagrams leave (which need not be the
 * one that has the address), and the next hop. The kernel's programs know each uplink by its number here. While routes change, the programs
 * ask the kernel for the next hop of each packet.
 */
export class Uplinks {
  private readonly program: PeerProgram;
  private readonly network: HostNetwork;
  private readonly servicePort: number;
  private readonly routes: RouteQuery;
  private readonly arrivals: Arrivals;
  private readonly arrivalMap: ArrivalMap;
  private readonly xdp: XdpArrivals;
  private readonly merging: Merging;
  private readonly rules = new OutwardRules();
  /** By source, interface, gateway and the route's MTU; undefined: nothing can be carried by that one. */
  private readonly uplinks = new Map<string, Uplink | undefined>();
  /** Why no peer is carried by an interface, by its index. */
  private readonly refusals = new Map<number, UplinkState>();
  /** The number of the uplink to each destination, as last found, by {@link wayKey}. */
  private readonly followed = new Map<WayKey, number | undefined>();
  private crowded = false;
  private changing = false;
  /** Read when first needed after a change. `byRoute`: the uplinks found by the routes of `table`. */
  private links: HostLinks | undefined;
  private table: RouteTable | undefined;
  private readonly byRoute = new Map<Ipv4Route, number>();
  /** Whether segments of an uplink are merged, as the programs know it, by the uplink's number. */
  private readonly merged = new Map<number, MergingChoice>();
  /** Uplinks whose segments are merged no longer, while packets may be in the pair, by number: how many looks have found packets there. */
  private readonly ending = new Map<number, number>();

  /** `local`: the address to which the socket is bound. `links`: of a predecessor, and for a successor. */
  constructor(
    program: PeerProgram,
    network: HostNetwork,
    local: Endpoint,
    handle: number,
    xdp: XdpWish,
    merging: Merging,
    links?: LinkStore,
  ) {
    this.merging = merging;
    this.program = program;
    this.network = network;
    this.servicePort = local.port;
    this.routes = new RouteQuery(local.address, local.port);
    this.xdp = new XdpArrivals(program, xdp, links);
    const programs = { ethernet: program.program('decap'), bare: program.program('decap_bare') };
    this.arrivals = new Arrivals(programs, handle, links, this.xdp);
    this.arrivalMap = new ArrivalMap(program.map('arrivals'));
    this.rules.look();
  }

  /** Reads the host's rules for leaving packets; true if they may have changed. The kernel sends no message about them. */
  lookAtRules(): boolean {
    return this.rules.look();
  }

  /** Description of the host's rules that could not be read. */
  get unknownRules(): string | undefined {
    return this.rules.unknown;
  }

  /** Whether the program is still attached where datagrams arrive. */
  lookAtAttachments(): boolean {
    return this.arrivals.lookAtAttachments();
  }

  /** Reads at which interfaces the host accepts datagrams whatever the way back is. The kernel sends no message about that. */
  lookAtArrivals(): void {
    const { links } = this.hostLinks;
    this.arrivalMap.set(
      this.arrivals.indexes.filter((index) => {
        const link = links.get(index);
        return link !== undefined && !isStrict(link);
      }),
    );
  }

  /** Attaches the drivers' programs where descriptors or memory were short before. */
  lookAtDrivers(): void {
    this.xdp.tryAgain();
  }

  /** Whether segments are merged as the programs are told. */
  lookAtMerging(): void {
    this.forgetEnded();
    if (this.merging.look()) this.followMerging();
  }

  /** From now on the programs carry without the pair. No packet overtakes those that are in it. */
  endMerging(): void {
    for (const [number, { pair }] of this.merged) if (pair !== 0) this.ending.set(number, 0);
    this.merged.clear();
    if (this.ending.size === 0) return;
    this.writeAll();
    this.merging.waitUntilEmpty();
    this.ending.clear();
    this.writeAll();
  }

  /** The interfaces by which peers are reached; those without a kernel path last. */
  get states(): readonly UplinkState[] {
    const states = new Map<number, UplinkState>();
    const used = new Set(this.followed.values());
    for (const uplink of this.uplinks.values()) {
      if (uplink === undefined || !(this.crowded || used.has(uplink.number))) continue;
      states.set(uplink.way.ifindex, {
        ...stateOf(uplink.situation),
        ...this.xdpState(uplink),
        ...this.mergingState(uplink),
      });
    }
    return [...states.values(), ...this.refusals.values()];
  }

  /** The number of the uplink to a destination from the socket with this port; undefined if there is no kernel path to it. */
  towards(destination: Ipv4, localPort = this.servicePort): number | undefined {
    const key = wayKey(destination, localPort);
    if (this.followed.has(key)) return this.followed.get(key);
    const number = this.find(destination, localPort);
    if (this.followed.size < MOST_FOLLOWED) this.followed.set(key, number);
    else this.crowded = true;
    return number;
  }

  /** Attaches the programs that packets of a peer at this destination need. It counts as used when there is such a peer. */
  makeReady(destination: Ipv4): void {
    this.find(destination, this.servicePort);
  }

  /** Whether some destinations are not followed one by one. */
  get isCrowded(): boolean {
    return this.crowded;
  }

  /** Routes are changing. Until they have been followed, the kernel decides about the next hop of each packet. */
  askRoutes(): void {
    if (this.changing) return;
    this.changing = true;
    this.writeAll();
  }

  /** All destinations have been followed: the programs use the known next hops again. */
  knowRoutes(): void {
    if (!this.changing) return;
    this.changing = false;
    this.writeAll();
  }

  /** Whether all interfaces are as they were. */
  areUnchanged(): boolean {
    this.forgetTable();
    return [...this.uplinks.values()].every(
      (uplink) =>
        uplink === undefined ||
        JSON.stringify(this.situationOf(uplink.way)) === JSON.stringify(uplink.situation),
    );
  }

  /** No more is sent from the socket with this port. */
  forgetPort(localPort: number): void {
    for (const key of this.followed.keys()) if (portOf(key) === localPort) this.followed.delete(key);
  }

  /** Asks again for the uplinks to all followed destinations. Returns those that changed, with their previous uplinks, by {@link wayKey}. */
  follow(): Map<WayKey, number | undefined> {
    this.forgetTable();
    // A failure before may succeed now.
    for (const [key, uplink] of this.uplinks) if (uplink === undefined) this.uplinks.delete(key);
    this.refusals.clear();
    const changed = new Map<WayKey, number | undefined>();
    for (const [key, before] of this.followed) {
      const now = this.find(addressOf(key), portOf(key));
      if (now === before) continue;
      changed.set(key, before);
      this.followed.set(key, now);
    }
    this.followArrivals();
    return changed;
  }

  /** Forgets all uplinks: they are found again when needed. */
  reset(): void {
    this.arrivals.close();
    this.uplinks.clear();
    this.merged.clear();
    this.ending.clear();
    this.refusals.clear();
    this.followed.clear();
    this.crowded = this.changing = false;
    this.forgetTable();
  }

  /** False where the system refuses for now to take a program away: this may be called again. Throws never. */
  close(): boolean {
    this.routes.close();
    this.xdp.close();
    return this.arrivals.close();
  }

  private find(destination: Ipv4, localPort: number): number | undefined {
    this.table ??= RouteTable.read(this.network.ipv4Subnets().map(({ address }) => address));
    if (this.table.isByPort) {
      this.refuseTo(destination, localPort, 'a routing rule looks at the destination port');
      return undefined;
    }
    const route = this.table.routeTo(destination);
    const known = route === undefined ? undefined : this.byRoute.get(route);
    if (known !== undefined) return known;
    const way = this.ask(destination, localPort);
    const number = way && this.numberOf(way);
    if (route !== undefined && number !== undefined && !way!.isRedirected) this.byRoute.set(route, number);
    return number;
  }

  private forgetTable(): void {
    this.links = this.table = undefined;
    this.byRoute.clear();
  }

  private ask(destination: Ipv4, localPort: number): Way | undefined {
    const way = this.routes.wayTo(destination, localPort);
    if (way === undefined)
      this.refuseTo(
        destination,
        localPort,
        'rules or routes send the packets of a program another way than those of the socket',
      );
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
    if (number >= MAX_UPLINKS) return this.refuse(ifindex, `there are already ${MAX_UPLINKS} others`);
    if (!situation.ingress.every((at) => this.arrivals.need(at)))
      return this.refuse(ifindex, 'no program can be attached where its datagrams arrive');
    const uplink = { number, way: { source, ifindex, mtu }, gateway, situation };
    this.write(uplink);
    return uplink;
  }

  private refuseTo(destination: Ipv4, localPort: number, reason: string): void {
    const ifindex = this.routes.interfaceTo(destination, localPort);
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
    const isEnding = this.ending.has(number);
    const pair = isEnding ? this.merging.pairIndex : (this.merged.get(number)?.pair ?? 0);
    writeRecord(this.program.map('uplinks'), number, UPLINK.SIZE, (view) => {
      view.setUint32(UPLINK.ifindex, situation.egress.ifindex, true);
      view.setUint32(UPLINK.source, way.source);
      // The same as for the socket: the MTU of a route may be smaller than that of its interface.
      view.setUint32(UPLINK.mtu, Math.min(situation.egress.mtu, way.mtu || Infinity), true);
      view.setUint32(UPLINK.finishes, Number(situation.finishes), true);
      view.setUint32(UPLINK.gateway, this.changing ? GATEWAY_BY_ROUTE : gateway);
      view.setUint32(UPLINK.isBare, Number(situation.egress.isBare), true);
      view.setUint32(UPLINK.cuts, Number(situation.cutFor !== null), true);
      view.setUint32(UPLINK.pair, pair, true);
      view.setUint32(UPLINK.pairQueues, QUEUES, true);
      view.setUint32(UPLINK.pairEnds, Number(isEnding), true);
    });
  }

  /**
   * A text with the reason if a program cannot work there. Datagrams that arrive where no program is attached reach the socket, as they always may.
   */
  private situationOf(way: Uplink['way']): Situation | string {
    const situation = situationOf(way, this.hostLinks, this.network);
    return typeof situation === 'string'
      ? situation
      : (this.rules.against(situation.egress.name) ?? situation);
  }

  /** If nothing is carried out by an interface, nothing is carried in there. */
  private followArrivals(): void {
    const isUsed = [...this.uplinks.values()].some((uplink) => uplink !== undefined);
    this.arrivals.follow(isUsed ? otherArrivals(this.hostLinks, this.network) : []);
    this.lookAtArrivals();
    const { links } = this.hostLinks;
    const where = this.arrivals.indexes.flatMap((ifindex) => links.get(ifindex) ?? []);
    this.xdp.follow(where, links.values());
    this.arrivals.lookAtAttachments();
    this.followMerging();
  }

  /** Tells the programs which uplinks' segments are merged, and where. */
  private followMerging(): void {
    for (const uplink of this.uplinks.values()) {
      if (uplink === undefined) continue;
      const before = this.merged.get(uplink.number);
      const choice = this.merging.follow(() => this.receptionOf(uplink), before);
      const pair = before?.pair ?? 0;
      this.merged.set(uplink.number, choice);
      if (choice.pair !== 0) this.ending.delete(uplink.number);
      // The programs stop sending its packets into the pair once no packet waits there: none overtakes another one.
      else if (pair !== 0) this.ending.set(uplink.number, 0);
      if (pair !== choice.pair || this.ending.has(uplink.number)) this.write(uplink);
    }
  }

  private forgetEnded(): void {
    if (this.ending.size === 0) return;
    const { isEmpty } = this.merging;
    for (const [number, looks] of this.ending) {
      if (isEmpty || looks + 1 >= LOOKS_WITH_PACKETS) this.ending.delete(number);
      else this.ending.set(number, looks + 1);
    }
    this.writeAll();
  }

  /** The interfaces at which an uplink's datagrams arrive, and whether they are unwrapped in a driver. */
  private receptionOf({ situation }: Uplink): [Link[], boolean] {
    const links = situation.ingress.flatMap(({ ifindex }) => this.hostLinks.links.get(ifindex) ?? []);
    return [links, links.some(({ ifindex }) => this.xdp.reasonAgainst(ifindex) === undefined)];
  }

  private mergingState({ number }: Uplink): Pick<UplinkState, 'merging' | 'withoutMerging'> {
    const { pair, reason } = this.merged.get(number) ?? { pair: 0, reason: undefined };
    return pair === 0 ? { merging: false, withoutMerging: reason ?? 'not made yet' } : { merging: true };
  }

  private xdpState({ situation }: Uplink): Pick<UplinkState, 'xdp' | 'withoutXdp'> {
    const reasons = situation.ingress.flatMap(({ ifindex }) => this.xdp.reasonAgainst(ifindex) ?? []);
    return reasons.length === 0 ? { xdp: true } : { xdp: false, withoutXdp: reasons[0]! };
  }

  private get hostLinks(): HostLinks {
    this.links ??= new HostLinks();
    return this.links;
  }
}

/** A destination and the local port of the socket that sends there. */
export type WayKey = number;

export function wayKey(destination: Ipv4, localPort: number): WayKey {
  return localPort * 2 ** 32 + destination;
}

function addressOf(key: WayKey): Ipv4 {
  return key % 2 ** 32;
}

function portOf(key: WayKey): number {
  return Math.floor(key / 2 ** 32);
}

/** Converts the next hop for the kernel's record, which takes IPv4 only. */
function gatewayOf({ gateway }: Way): number {
  if (gateway === '') return 0;
  return gateway.length === 8 ? Number.parseInt(gateway, 16) : GATEWAY_BY_ROUTE;
}
