/**
 * Kinds of links. They are virtual (veth); their features decide in which pieces packets cross them:
 *
 * - `nic`: as hosts with network cards have them. The sender's kernel cuts super-packets (GSO), no link carries them, the receiver's kernel
 *   merges segments again (GRO), but NATs and bridges do not.
 * - `wire`: nothing merges, each packet goes by itself through every host.
 * - `veth`: as they come. Super-packets go from one end to the other.
 */
import type { Namespace } from '../src/lab/index.ts';
import type { LinkKind } from './seats.ts';

type Features = Readonly<Record<string, 'on' | 'off'>>;

/** Segmentation by the link itself: of TCP, of UDP, of both inside tunnels. */
const UNCUT: Features = Object.fromEntries(
  [
    'tso',
    'tx-udp-segmentation',
    'tx-gre-segmentation',
    'tx-gre-csum-segmentation',
    'tx-ipxip4-segmentation',
    'tx-ipxip6-segmentation',
    'tx-udp_tnl-segmentation',
    'tx-udp_tnl-csum-segmentation',
  ].map((feature) => [feature, 'off']),
);

/** What a kind of links asks of one host. */
export function featuresOf(kind: LinkKind, isForwarder: boolean): Features {
  if (kind === 'veth') return {};
  if (kind === 'wire') return { ...UNCUT, gso: 'off', gro: 'off' };
  return { ...UNCUT, gso: 'on', gro: isForwarder ? 'off' : 'on' };
}

/** NATs and bridges; relays are hosts. */
const isForwarder = (host: Namespace): boolean => /-(?:nat-\w+|lan-\w+|backbone)$/.test(host.name);

/** Only the links: tunnels and bridges of the hosts keep their features. */
export function setLinks(hosts: readonly Namespace[], kind: LinkKind): void {
  for (const host of hosts) {
    const wanted = Object.entries(featuresOf(kind, isForwarder(host))).flat();
    if (wanted.length > 0) for (const name of linksOf(host)) host.execute('ethtool', '-K', name, ...wanted);
  }
}

/** The features that the links of a lab have in fact, by host and interface, where they matter here. */
export function linkFeatures(hosts: readonly Namespace[]): Record<string, string> {
  const all = hosts.flatMap((host) =>
    linksOf(host).map((name) => {
      const key = `${host.name.replace(/^[^-]*-[^-]*-/, '')} ${name}`;
      return [key, parseFeatures(host.execute('ethtool', '-k', name))] as const;
    }),
  );
  return Object.fromEntries(all);
}

const SHOWN: Readonly<Record<string, string>> = {
  'tcp-segmentation-offload': 'TSO',
  'generic-segmentation-offload': 'GSO',
  'generic-receive-offload': 'GRO',
  'tx-udp-segmentation': 'UDP segmentation',
  'tx-udp_tnl-segmentation': 'tunnel segmentation',
};

/** Of the output of `ethtool -k`: the names of the features that are on. */
export function parseFeatures(text: string): string {
  const on = Object.entries(SHOWN).filter(([name]) => new RegExp(`^\\s*${name}: on`, 'm').test(text));
  return on.map(([, name]) => name).join(', ');
}

function linksOf(host: Namespace): string[] {
  const links = JSON.parse(host.ip('-j', '-d', 'link', 'show', 'type', 'veth')) as { ifname: string }[];
  return links.map(({ ifname }) => ifname);
}
