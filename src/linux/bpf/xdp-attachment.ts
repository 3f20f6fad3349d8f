import { SystemCallError } from '../errors.ts';
import { Memory } from '../libc.ts';
import type { Link } from '../links.ts';
import { driverOf, featuresOf } from '../offloads.ts';
import { isShortage } from '../system-failures.ts';
import { attachmentOf } from './attachment.ts';
import type { Attachment } from './attachment.ts';
import { libbpf } from './libbpf.ts';
import type { LinkStore } from './link-store.ts';

const BPF_XDP = 37;
/** In the driver only. Generic XDP comes after the kernel has merged packets (GRO), and costs more than it saves. */
const XDP_FLAGS_DRV_MODE = 4;
/** struct bpf_link_create_opts, up to the fields of iterators. */
const OPTIONS = { SIZE: 32, flags: 8 } as const;
/** A driver that leaves two octets in front of a frame: no program can change the start of one. */
const WITHOUT_HEADROOM = 'gve';
/** Kinds that run a program in the drivers of their parts, which it takes for the interfaces at which frames arrive. */
const OF_PARTS = new Set(['bond', 'team']);
/** Packets of TCP that the hardware, or the host of a virtual machine, has merged. They do not fit into a program's buffer. */
const MERGED_BY_HARDWARE = 'rx-lro';
/** The same, in a form that some drivers switch off, without asking, for as long as a program is attached. */
const MERGED_UNASKED = 'rx-gro-hw';

/**
 * When a program may be attached in the driver. `auto`: only where the host's other traffic loses no merging by it. `on`: wherever the driver
 * can do it.
 */
export type XdpUse = 'auto' | 'on';

/**
 * Attaches an XDP program in the driver of an interface, by a link that ends with the process (kernel 5.9). It never replaces another XDP program.
 * Otherwise the reason, as text for the status: without the program all else works as before. `store`: a link may come from there, and is left
 * there for a successor. Throws a SystemCallError where descriptors or memory are short: it may be called again.
 */
export function attachXdp(
  program: number,
  link: Pick<Link, 'ifindex' | 'name' | 'kind'>,
  use: XdpUse,
  store?: LinkStore,
): Attachment | string {
  const reason = reasonAgainst(link, use);
  if (reason !== undefined) return reason;
  const left = store?.adopt(program, link.ifindex, 'xdp');
  return left === undefined ? create(program, link.ifindex, store) : attachmentOf(left, store);
}

function create(program: number, ifindex: number, store?: LinkStore): Attachment | string {
  const options = new Memory(OPTIONS.SIZE);
  options.setPointer(0, OPTIONS.SIZE);
  options.view.setUint32(OPTIONS.flags, XDP_FLAGS_DRV_MODE, true);
  const created = libbpf().createLink(program, ifindex, BPF_XDP, options.address);
  if (created < 0) return refusal(new SystemCallError('bpf_link_create', -created));
  store?.keep(created, ifindex, 'xdp');
  return attachmentOf(created, store);
}

/** Why a program should not be attached there, although the kernel may permit it. */
function reasonAgainst({ name, kind }: Pick<Link, 'name' | 'kind'>, use: XdpUse): string | undefined {
  if (OF_PARTS.has(kind)) return `a ${kind} runs the program at its parts, where no datagram is known`;
  const driver = driverOf(name);
  if (driver === WITHOUT_HEADROOM) return `the driver ${driver} has no room in front of packets`;
  const active = featuresOf(name)?.active;
  if (active === undefined) return 'the features of the interface cannot be read';
  if (active.has(MERGED_BY_HARDWARE)) return `the interface merges packets itself (${MERGED_BY_HARDWARE})`;
  if (use === 'on') return undefined;
  if (active.has(MERGED_UNASKED))
    return `the driver would stop merging packets of all traffic (${MERGED_UNASKED})`;
  // It also makes the kernel cut the super-packets of all other traffic at the other end: adr/0034.
  if (kind === 'veth') return 'a veth copies each packet for a program in the driver';
  return undefined;
}

function refusal(error: SystemCallError): string {
  if (isShortage(error)) throw error;
  switch (error.code) {
    case 'EBUSY':
    case 'EEXIST':
      return 'another XDP program is there';
    case 'EOPNOTSUPP':
      return 'the driver cannot run XDP programs';
    case 'ERANGE':
      return 'the MTU is too large for XDP';
    default:
      return `the driver or the kernel refuses XDP programs (${error.code})`;
  }
}
