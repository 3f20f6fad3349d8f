import { SystemCallError } from '../errors.ts';
import { E, Memory, sys } from '../libc.ts';
import { udpPorts } from '../proc.ts';
import { filterHandles, hasFilters } from './filters.ts';
import { check, libbpf } from './libbpf.ts';

export type Direction = 'ingress' | 'egress';

const TCX = { ingress: 46, egress: 47 } as const;
const CLSACT = { ingress: 1, egress: 2 } as const;
/** The priority of this program's filters at an interface. The handle tells to which socket a filter belongs. */
const PRIORITY = 0x7ed0;
const HOOK_SIZE = 24;
const OPTIONS_SIZE = 32;
const LINK_INFO_SIZE = 64;

/** A program attached to an interface, until it is closed. */
export interface Attachment {
  /** Whether it is still attached: the interface may have gone, or another process may have detached it. */
  isAttached(): boolean;
  close(): void;
}

/** The handle of the filter that belongs to a socket: its port, then its address in 16 bits. */
export function filterHandle({ address, port }: { readonly address: number; readonly port: number }): number {
  return ((port << 16) | ((address ^ (address >>> 16)) & 0xffff)) >>> 0;
}

/**
 * Attaches a program: by a tcx link, which ends with the process (kernel 6.6), or else by a filter at clsact. Filters that crashed
 * processes left there are removed first: the one with the same handle, and those of ports that no socket has. Throws a SystemCallError.
 */
export function attach(program: number, ifindex: number, direction: Direction, handle: number): Attachment {
  const link = libbpf().createLink(program, ifindex, TCX[direction], 0);
  if (link >= 0) return attachmentOf(link);
  if (link !== -E.EINVAL) throw new SystemCallError('bpf_link_create', -link);
  return attachFilter(program, ifindex, direction, handle);
}

function attachmentOf(link: number): Attachment {
  let isOpen = true;
  return {
    isAttached: () => isOpen && interfaceOf(link) !== 0,
    // After close the number may be that of another file.
    close: () => {
      if (isOpen) sys.close(link);
      isOpen = false;
    },
  };
}

/** The index of the interface of a tcx link; 0 if the interface has gone. */
function interfaceOf(link: number): number {
  const info = new Memory(LINK_INFO_SIZE); // struct bpf_link_info
  const size = new Memory(4);
  size.view.setUint32(0, LINK_INFO_SIZE, true);
  return libbpf().linkInfo(link, info.address, size.address) < 0 ? 0 : info.view.getUint32(16, true);
}

/** For kernels before 6.6. */
export function attachFilter(
  program: number,
  ifindex: number,
  direction: Direction,
  handle: number,
): Attachment {
  const hook = new Clsact(ifindex, direction);
  const created = libbpf().createHook(hook.address);
  if (created < 0 && created !== -E.EEXIST) throw new SystemCallError('bpf_tc_hook_create', -created);
  const left = leftBehind(ifindex, direction, handle).filter((one) => hook.detach(one)).length > 0;
  // A qdisc of another program stays.
  const removeHook = (): void => {
    if (created >= 0 || left) hook.removeUnused();
  };
  const attached = hook.attach(program, handle);
  if (attached < 0) removeHook();
  check('bpf_tc_attach', attached);
  return {
    isAttached: () => hook.has(handle),
    close: () => {
      hook.detach(handle);
      removeHook();
    },
  };
}

/**
 * Removes filters at an interface that a crashed process left for a socket with this handle, or for sockets that no longer exist. They
 * would take packets from the new process until its own program is attached there.
 */
export function removeLeftFilters(ifindex: number, direction: Direction, handle: number): void {
  const hook = new Clsact(ifindex, direction);
  const left = leftBehind(ifindex, direction, handle).filter((one) => hook.detach(one));
  if (left.length > 0) hook.removeUnused();
}

/** An interface's filters at clsact. */
class Clsact {
  private readonly ifindex: number;
  private readonly hook = new Memory(HOOK_SIZE); // struct bpf_tc_hook

  constructor(ifindex: number, direction: Direction) {
    this.ifindex = ifindex;
    this.hook.setPointer(0, HOOK_SIZE);
    this.hook.view.setInt32(8, ifindex, true);
    this.hook.view.setInt32(12, CLSACT[direction], true);
  }

  get address(): number {
    return this.hook.address;
  }

  attach(program: number, handle: number): number {
    const options = optionsOf(program, handle);
    return libbpf().attach(this.address, options.address);
  }

  has(handle: number): boolean {
    const options = optionsOf(0, handle);
    return libbpf().query(this.address, options.address) >= 0;
  }

  detach(handle: number): boolean {
    const options = optionsOf(0, handle);
    return libbpf().detach(this.address, options.address) === 0;
  }

  /** Removes the qdisc if no filter is left there. */
  removeUnused(): void {
    if (hasFilters(this.ifindex)) return;
    this.hook.view.setInt32(12, CLSACT.ingress | CLSACT.egress, true);
    libbpf().destroyHook(this.address);
  }
}

/** struct bpf_tc_opts. */
function optionsOf(program: number, handle: number): Memory {
  const options = new Memory(OPTIONS_SIZE);
  options.setPointer(0, OPTIONS_SIZE);
  options.view.setInt32(8, program, true);
  options.view.setUint32(20, handle, true);
  options.view.setUint32(24, PRIORITY, true);
  return options;
}

/** Handles of filters whose process ended without removing them. */
function leftBehind(ifindex: number, direction: Direction, own: number): number[] {
  const handles = filterHandles(ifindex, direction, PRIORITY);
  if (handles.length === 0) return [];
  const ports = udpPorts();
  // If the table does not even show this process's own socket, it proves nothing about others.
  const isGone = (handle: number): boolean => ports.has(own >>> 16) && !ports.has(handle >>> 16);
  return handles.filter((handle) => handle === own || isGone(handle));
}
