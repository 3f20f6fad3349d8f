import { expect, test } from 'vitest';
import type { Link } from './links.ts';
import { tunnelOffloads } from './tunnel-offloads.ts';

const SUMS = ['tx-checksum-ip-generic'];
const WHOLE = [...SUMS, 'tx-tcp6-segmentation', 'tx-udp_tnl-segmentation', 'tx-udp-segmentation'];

interface Description {
  readonly kind?: string;
  readonly on?: readonly string[];
  /** Features that can be switched on. */
  readonly off?: readonly string[];
  readonly master?: string;
  readonly below?: string;
  readonly isElsewhere?: boolean;
  readonly isHardware?: boolean;
}

/** For the first of these interfaces: whether it completes packets, and for which interface super-packets would be segmented. */
function offloads(descriptions: Readonly<Record<string, Description>>): [boolean, string | undefined] {
  const names = Object.keys(descriptions);
  const indexOf = (name: string | undefined): number => (name === undefined ? 0 : names.indexOf(name) + 1);
  const links = new Map<number, Link>();
  for (const [name, { kind = '', master, below, isElsewhere }] of Object.entries(descriptions)) {
    links.set(indexOf(name), {
      ifindex: indexOf(name),
      name,
      kind,
      mtu: 1_500,
      isUp: true,
      isLoopback: false,
      isEthernet: true,
      isBare: false,
      linkAddress: [],
      master: indexOf(master),
      below: isElsewhere === true ? 'unseen' : indexOf(below),
    });
  }
  const { finishes, cutFor } = tunnelOffloads(links.get(1)!, {
    links,
    features: ({ name }) => {
      const { on, off = [] } = descriptions[name]!;
      return on && { active: new Set(on), available: new Set([...on, ...off]) };
    },
    isHardware: ({ name }) => descriptions[name]!.isHardware === true,
  });
  return [finishes, cutFor?.name];
}

test.each([
  ['hardware, whatever its features', { eth: { on: WHOLE, isHardware: true } }, [true, undefined]],
  ['veth', { eth: { kind: 'veth', on: WHOLE } }, [false, undefined]],
  ['veth whose packets are all complete', { eth: { kind: 'veth', on: [], off: WHOLE } }, [true, undefined]],
  [
    'veth with `tx off` alone',
    { eth: { kind: 'veth', on: ['tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'] } },
    [true, undefined],
  ],
  [
    'veth with `tx off` alone, on a kernel that leaves runs on',
    { eth: { kind: 'veth', on: ['tx-udp_tnl-segmentation', 'tx-udp-segmentation'] } },
    [false, undefined],
  ],
  ['an interface whose features cannot be read', { eth: {} }, [false, undefined]],
  [
    'a TAP or virtio without features for tunnels',
    { eth: { on: [...SUMS, 'tx-udp-segmentation'] } },
    [true, 'eth'],
  ],
  ['the same, without runs', { eth: { on: SUMS } }, [true, undefined]],
  ['with features for tunnels', { eth: { on: WHOLE } }, [false, undefined]],
  ['with such features switched off', { eth: { on: SUMS, off: WHOLE } }, [false, undefined]],
  ['a bridge without ports', { br: { kind: 'bridge', on: WHOLE } }, [true, 'br']],
  [
    'a bridge of which one port takes runs',
    {
      br: { kind: 'bridge', on: WHOLE },
      eth: { on: SUMS, isHardware: true, master: 'br' },
      tap: { on: WHOLE, master: 'br' },
    },
    [true, 'br'],
  ],
  [
    'a bridge of which no port does',
    { br: { kind: 'bridge', on: WHOLE }, eth: { on: SUMS, isHardware: true, master: 'br' } },
    [true, undefined],
  ],
  [
    'a VLAN on hardware',
    { vlan: { kind: 'vlan', on: WHOLE, below: 'eth' }, eth: { on: WHOLE, isHardware: true } },
    [true, undefined],
  ],
  [
    'a VLAN on veth',
    { vlan: { kind: 'vlan', on: WHOLE, below: 'eth' }, eth: { kind: 'veth', on: WHOLE } },
    [false, undefined],
  ],
  [
    'macvlan on a bridge',
    { mac: { kind: 'macvlan', on: WHOLE, below: 'br' }, br: { kind: 'bridge', on: WHOLE } },
    [true, 'br'],
  ],
  [
    'macvlan on an interface in another namespace',
    { mac: { kind: 'macvlan', on: WHOLE, isElsewhere: true }, br: { kind: 'bridge', on: WHOLE } },
    [false, undefined],
  ],
  [
    'a bond of hardware',
    {
      bond: { kind: 'bond', on: WHOLE },
      one: { on: SUMS, isHardware: true, master: 'bond' },
      two: { on: SUMS, isHardware: true, master: 'bond' },
    },
    [true, undefined],
  ],
  [
    'a bond of which one part is not hardware',
    {
      bond: { kind: 'bond', on: WHOLE },
      one: { on: SUMS, isHardware: true, master: 'bond' },
      two: { kind: 'veth', on: WHOLE, master: 'bond' },
    },
    [false, undefined],
  ],
  ['a bond without parts', { bond: { kind: 'bond', on: WHOLE } }, [false, undefined]],
  [
    'a VLAN on a bridge: both are examined',
    {
      vlan: { kind: 'vlan', on: WHOLE, below: 'br' },
      br: { kind: 'bridge', on: WHOLE },
      eth: { on: WHOLE, isHardware: true, master: 'br' },
    },
    [true, 'br'],
  ],
  [
    'an interface that is stacked on itself',
    { mac: { kind: 'macvlan', on: WHOLE, below: 'mac' } },
    [false, undefined],
  ],
  [
    'two interfaces that are stacked on each other',
    { a: { kind: 'macvlan', on: WHOLE, below: 'b' }, b: { kind: 'macvlan', on: WHOLE, below: 'a' } },
    [false, undefined],
  ],
] satisfies [string, Record<string, Description>, [boolean, string | undefined]][])(
  '%s',
  (_, links, expected) => {
    expect(offloads(links)).toEqual(expected);
  },
);
