/**
 * What an interface does with packets of a tunnel. The kernel has a set of features for those (`hw_enc_features`) that no program can ask
 * for. It follows from the interface's kind, from its other features, and from the interfaces below it. Read in the sources of Linux
 * (net/bridge, net/8021q, net/openvswitch; bonding, team, macvlan, ipvlan, veth, tun, virtio_net); docs/uplinks.md says which of it was tried.
 */
import type { Link } from './links.ts';
import type { Features } from './offloads.ts';

/** Features by which an interface takes packets whole: those of a UDP tunnel; TCP over IPv6; and runs of datagrams that a socket sends at once. */
const TUNNELLED = 'tx-udp_tnl-segmentation';
const TCP = 'tx-tcp6-segmentation';
const RUNS = 'tx-udp-segmentation';
/** While one of these is on, packets may leave an interface without their checksums. */
const SUMMING = ['tx-checksum-ip-generic', 'tx-checksum-ipv4', 'tx-checksum-ipv6'];
/** Its features are for other packets, though they name tunnels: the kernel cuts and sums packets of a tunnel before a bridge has them. */
const BRIDGE = 'bridge';
/** These hand packets to the interfaces below as they are, if those take them so. */
const STACKED = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'bond', 'team']);
/** Interfaces stacked on each other that are looked at; nobody builds more. */
const DEPTH = 8;

export interface TunnelOffloads {
  /** Packets leave cut, and with their checksums: the kernel does both in front of an interface that cannot, and hardware does them itself. */
  readonly finishes: boolean;
  /**
   * The interface, this one or one below it, for which the kernel cuts super-packets of a tunnel, while the runs of a socket stay whole.
   * Undefined: there is none, or packets leave unfinished, for which there are other rules (adr/0013).
   */
  readonly cutFor: Link | undefined;
}

/** The interfaces of a host, and how to ask about one of them. */
export interface LinkFacts {
  readonly links: ReadonlyMap<number, Link>;
  /** Undefined where they cannot be asked. */
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
  // An interface that has no feature for packets of a tunnel gets them finished.
  if (!isStacked(link)) return !features.available.has(TUNNELLED) && !features.active.has(TUNNELLED);
  const below = depth > 0 ? linksBelow(link, facts) : [];
  return below.length > 0 && below.every((one) => finishes(one, facts, depth - 1));
}

/** Whether packets may leave an interface with something still to be done. With `tx off` alone a veth still names tunnels, but takes nothing of them whole. */
function leavesUnfinished({ active }: Features): boolean {
  const isCutBehind = active.has(TUNNELLED) && (active.has(TCP) || active.has(RUNS));
  return isCutBehind || SUMMING.some((name) => active.has(name));
}

function cutFor(link: Link, facts: LinkFacts, depth: number): Link | undefined {
  if (facts.isHardware(link)) return undefined; // nothing behind it sees the difference
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

/** Whether a run of datagrams passes an interface whole, and one of those below it at least. */
function passesRuns(link: Link, facts: LinkFacts, depth: number): boolean {
  if (facts.features(link)?.active.has(RUNS) !== true) return false;
  if (depth === 0 || !(link.kind === BRIDGE || isStacked(link))) return true;
  const below = linksBelow(link, facts);
  return below.length === 0 || below.some((one) => passesRuns(one, facts, depth - 1));
}

function isStacked({ kind }: Link): boolean {
  return STACKED.has(kind);
}

/** None where they are in another network namespace. */
function linksBelow({ ifindex, below }: Link, { links }: LinkFacts): Link[] {
  const parts = [...links.values()].filter(({ master }) => master === ifindex);
  const lower = below === 'unseen' ? undefined : links.get(below);
  return lower === undefined || lower.ifindex === ifindex ? parts : [lower, ...parts];
}
