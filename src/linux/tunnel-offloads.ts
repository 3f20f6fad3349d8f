/**
 * The treatment of a tunnel's packets by an interface. The kernel has a set of features for them (`hw_enc_features`) that programs cannot read.
 * It follows from the interface's kind, its other features, and the interfaces below it. Source: Linux (net/bridge, net/8021q,
 * net/openvswitch; bonding, team, macvlan, ipvlan, veth, tun, virtio_net). docs/uplinks.md says which parts were tried.
 */
import type { Link } from './links.ts';
import type { Features } from './offloads.ts';

/** Features by which an interface accepts unsegmented packets: those of a UDP tunnel; TCP over IPv6; and runs of datagrams from a socket. */
const TUNNELLED = 'tx-udp_tnl-segmentation';
const TCP = 'tx-tcp6-segmentation';
const RUNS = 'tx-udp-segmentation';
/** While one of these is on, packets may leave an interface without their checksums. */
const SUMMING = ['tx-checksum-ip-generic', 'tx-checksum-ipv4', 'tx-checksum-ipv6'];
/**
 * A bridge. Its features do not apply to packets of a tunnel, though they name tunnels: the kernel segments and sums those before a bridge
 * gets them.
 */
const BRIDGE = 'bridge';
/** Kinds that pass packets unchanged to the interfaces below, if those accept them. */
const STACKED = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'bond', 'team']);
/** Kinds that cut a socket's runs as early as the kernel cuts a tunnel's super-packets, since they encrypt each packet. */
const CUTTING = new Set(['wireguard']);
/** The most interfaces in a stack that are examined; no real stack is deeper. */
const DEPTH = 8;

export interface TunnelOffloads {
  /** Packets leave segmented, and with their checksums: by the kernel if the interface cannot do it, otherwise by the hardware. */
  readonly finishes: boolean;
  /**
   * The interface, this one or one below it, for which the kernel segments super-packets of a tunnel, but not the runs of a socket.
   * Undefined: there is none, or packets leave incomplete, for which other rules apply (adr/0013).
   */
  readonly cutFor: Link | undefined;
}

/** The interfaces of a host, and how to read the features of one of them. */
export interface LinkFacts {
  readonly links: ReadonlyMap<number, Link>;
  /** Undefined if they cannot be read. */
  features(link: Link): Features | undefined;
  isHardware(link: Link): boolean;
}

export function tunnelOffloads(link: Link, facts: LinkFacts): TunnelOffloads {
  const isFinishing = finishes(link, facts, DEPTH);
  return { finishes: isFinishing, cutFor: isFinishing ? cutFor(link, facts, DEPTH) : undefined };
}

function finishes(link: Link, facts: LinkFacts, depth: number): boolean {
  if (link.kind === BRIDGE || facts.isHardware(link)) return true;
  const features = facts.features(link);
  if (features === undefined) return false;
  if (!leavesUnfinished(features)) return true;
  // For an interface without a feature for packets of a tunnel the kernel completes them.
  if (!isStacked(link)) return !features.available.has(TUNNELLED) && !features.active.has(TUNNELLED);
  const below = depth > 0 ? linksBelow(link, facts) : [];
  return below.length > 0 && below.every((one) => finishes(one, facts, depth - 1));
}

/**
 * Whether packets may leave an interface incomplete. With `tx off` alone a veth still has features that name tunnels, but accepts no
 * unsegmented packets of them.
 */
function leavesUnfinished({ active }: Features): boolean {
  const isCutBehind = active.has(TUNNELLED) && (active.has(TCP) || active.has(RUNS));
  return isCutBehind || SUMMING.some((name) => active.has(name));
}

function cutFor(link: Link, facts: LinkFacts, depth: number): Link | undefined {
  // Hardware makes the same packets of both.
  if (facts.isHardware(link) || CUTTING.has(link.kind)) return undefined;
  const features = facts.features(link);
  if (features === undefined) return undefined;
  const isPassed = link.kind !== BRIDGE && features.active.has(TUNNELLED) && features.active.has(TCP);
  if (!isPassed) return passesRuns(link, facts, depth) ? link : undefined;
  if (!isStacked(link) || depth === 0) return undefined;
  for (const below of linksBelow(link, facts)) {
    const found = cutFor(below, facts, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a run of datagrams passes an interface unsegmented, and at least one of those below it. */
function passesRuns(link: Link, facts: LinkFacts, depth: number): boolean {
  if (facts.features(link)?.active.has(RUNS) !== true) return false;
  if (depth === 0 || !(link.kind === BRIDGE || isStacked(link))) return true;
  const below = linksBelow(link, facts);
  return below.length === 0 || below.some((one) => passesRuns(one, facts, depth - 1));
}

function isStacked({ kind }: Link): boolean {
  return STACKED.has(kind);
}

/** Empty if they are in another network namespace. */
function linksBelow({ ifindex, below }: Link, { links }: LinkFacts): Link[] {
  const parts = [...links.values()].filter(({ master }) => master === ifindex);
  const lower = below === 'unseen' ? undefined : links.get(below);
  return lower === undefined || lower.ifindex === ifindex ? parts : [lower, ...parts];
}
