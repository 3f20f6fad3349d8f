import type { Namespace } from '../../src/lab/index.ts';

const CUTTING_AND_SUMMING = ['tx', 'tso', 'tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'];

/** The names of a host's wires. */
export function linksOf(host: Namespace): string[] {
  return linksIn(host).map(({ ifname }) => ifname);
}

/** The port of a switch to which a host's interface is connected. What it sends is what arrives at the host, before any program there. */
export function portTo(host: Namespace, link: string, of: Namespace): string {
  const { link_index: index } = linksIn(host, link)[0]!;
  return linksIn(of).find(({ ifindex }) => ifindex === index)!.ifname;
}

interface Link {
  readonly ifname: string;
  readonly ifindex: number;
  /** Of the other end. */
  readonly link_index: number;
}

function linksIn(host: Namespace, ...which: string[]): Link[] {
  return JSON.parse(
    host.ip('-j', 'link', 'show', ...(which.length > 0 ? which : ['type', 'veth'])),
  ) as Link[];
}

/** From now on packets leave the interface segmented and with their checksums, as on a real wire. A virtual wire leaves both to the receiver. */
export function finishPackets(host: Namespace, link: string): void {
  host.execute('ethtool', '-K', link, ...CUTTING_AND_SUMMING.flatMap((feature) => [feature, 'off']));
}

/** The same by the usual `ethtool -K ... tx off`. The interface still names its tunnel features, but uses none. */
export function switchTxOff(host: Namespace, link: string): void {
  host.execute('ethtool', '-K', link, 'tx', 'off');
}

/** From now on runs of datagrams (UDP_SEGMENT) leave the interfaces of a host one by one, as on a real wire. */
export function cutRuns(host: Namespace): void {
  for (const link of linksOf(host)) host.execute('ethtool', '-K', link, 'tx-udp-segmentation', 'off');
}

const ALONE = new Set(['bond', 'bridge', 'dummy']);

/** Whether the kernel has interfaces of a kind. */
export function hasKind(host: Namespace, kind: string): boolean {
  host.ip('link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'probe-peer');
  try {
    const on = ALONE.has(kind) ? '' : 'link probe ';
    host.ip(...`link add probed ${on}type ${kind}${kind === 'vlan' ? ' id 9' : ''}`.split(' '));
    host.ip('link', 'del', 'probed');
    return true;
  } catch {
    return false;
  } finally {
    host.ip('link', 'del', 'probe');
  }
}
