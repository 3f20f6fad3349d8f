import { SystemCallError } from '../errors.ts';
import { E, Memory, sys } from '../libc.ts';
import { udpSockets } from '../proc.ts';
import { filterHandles, hasFilters } from './filters.ts';
import { check, libbpf } from './libbpf.ts';
import { TCX } from './link-store.ts';
import type { Direction, LinkStore } from './link-store.ts';

export type { Direction } from './link-store.ts';

const CLSACT = { ingress: 1, egress: 2 } as const;
/** The priority of this program's filters at an interface. The handle tells to which socket a filter belongs. */
const PRIORITY = 0x7ed0;
const HOOK_SIZE = 24;
const OPTIONS_SIZE = 32;
const LINK_INFO_SIZE = 64;
/** No such filter, no clsact, no such interface. */
const GONE: ReadonlySet<number> = new Set([E.ENOENT, E.EINVAL, E.ENODEV]);

/** A program attached to an interface, until it is closed. */
export interface Attachment {
  /** Whether it is still attached: the interface may have gone, or another process may have detached it. True if the kernel cannot be asked. */
  isAttached(): boolean;
  /** False if the system refuses it for now, as without descriptors: the program is still attached, and this may be called again. Does not throw. */
  close(): boolean;
}

/** The address and port that a socket is bound to. */
interface Local {
  readonly address: number;
  readonly port: number;
}

/**
 * The handle of the filter that belongs to a socket: its port, then its address in 16 bits. Where another socket's address has the same ones, the
 * next that no other has. Throws where the table of sockets cannot be read at this moment.
 */
export function filterHandle(local: Local): number {
  const others = udpSockets().filter(({ address, port }) => port === local.port && address !== local.address);
  const theirs = new Set(others.map((other) => plainHandle(other)));
  const plain = plainHandle(local);
  for (let i = 0; i < 1 << 16; i++) {
    const handle = ((local.port << 16) | ((plain + i) & 0xffff)) >>> 0;
    if (!theirs.has(handle)) return handle;
  }
  return plain;
}

function plainHandle({ address, port }: Local): number {
  return ((port << 16) | ((address ^ (address >>> 16)) & 0xffff)) >>> 0;
}

/**
 * Attaches a program: by a tcx link, which ends with the process (kernel 6.6), or else by a filter at clsact. Filters that crashed
 * processes left there are removed first: the one with the same handle, and those of ports that no socket has. Throws a SystemCallError.
 * `store`: a link may come from there, and is left there for a successor.
 */
export function attach(
  program: number,
  ifindex: number,
  direction: Direction,
  handle: number,
  store?: LinkStore,
): Attachment {
  const left = store?.adopt(program, ifindex, direction);
  if (left !== undefined) return attachmentOf(left, store);
  const link = libbpf().createLink(program, ifindex, TCX[direction], 0);
  if (link >= 0) {
    store?.keep(link, ifindex, direction);
    return attachmentOf(link, store);
  }
  if (link !== -E.EINVAL) throw new SystemCallError('bpf_link_create', -link);
  return attachFilter(program, ifindex, direction, handle);
}

/** The attachment by a link, tcx or XDP. `store`: it keeps the link, too. */
export function attachmentOf(link: number, store?: LinkStore): Attachment {
  const close = (): void => (store === undefined ? void sys.close(link) : store.close(link));
  let isOpen = true;
  return {
    isAttached: () => isOpen && !isUnattached(link),
    // After close the number may be that of another file.
    close: () => {
      if (isOpen) close();
      isOpen = false;
      return true;
    },
  };
}

/** Whether the interface of a link has gone, or another process has detached the link: the index is 0 then. */
function isUnattached(link: number): boolean {
  const info = new Memory(LINK_INFO_SIZE); // struct bpf_link_info
  const size = new Memory(4);
  size.view.setUint32(0, LINK_INFO_SIZE, true);
  return libbpf().linkInfo(link, info.address, size.address) >= 0 && info.view.getUint32(16, true) === 0;
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
  const left = leftBehind(ifindex, direction, handle).filter((one) => hook.detach(one) === 0).length > 0;
  const isOurs = created >= 0 || left || unremoved.has(ifindex);
  // A qdisc of another program stays.
  const removeHook = (): void => {
    if (isOurs) hook.removeUnused();
  };
  const id = hook.attach(program, handle);
  if (id < 0) removeHook();
  check('bpf_tc_attach', id);
  const isAttached = (): boolean => {
    const found = hook.programAt(handle);
    return found < 0 ? !isGone(found) : found === id;
  };
  return {
    isAttached,
    close: () => {
      const detached = isAttached() ? hook.detach(handle) : -E.ENOENT;
      if (detached < 0 && !isGone(detached)) return false;
      removeHook();
      return true;
    },
  };
}

/**
 * Removes filters at an interface that a crashed process left for a socket with this handle, or for sockets that no longer exist. They
 * would take packets from the new process until its own program is attached there.
 */
export function removeLeftFilters(ifindex: number, direction: Direction, handle: number): void {
  const hook = new Clsact(ifindex, direction);
  const left = leftBehind(ifindex, direction, handle).filter((one) => hook.detach(one) === 0);
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

  /** The program's id, or an error number's negative. */
  attach(program: number, handle: number): number {
    const options = optionsOf(program, handle);
    const result = libbpf().attach(this.address, options.address);
    return result < 0 ? result : programIn(options);
  }

  /** The id of the program of a filter, or an error number's negative. */
  programAt(handle: number): number {
    const options = optionsOf(0, handle);
    const result = libbpf().query(this.address, options.address);
    return result < 0 ? result : programIn(options);
  }

  /** 0, or an error number's negative. */
  detach(handle: number): number {
    const options = optionsOf(0, handle);
    return libbpf().detach(this.address, options.address);
  }

  /** Removes the qdisc if no filter is left there. */
  removeUnused(): void {
    unremoved.add(this.ifindex);
    if (hasFilters(this.ifindex)) return;
    const both = new Memory(HOOK_SIZE);
    both.bytes.set(this.hook.bytes);
    both.view.setInt32(12, CLSACT.ingress | CLSACT.egress, true);
    if (libbpf().destroyHook(both.address) >= 0) unremoved.delete(this.ifindex);
  }
}

/** Interfaces with a qdisc of this process that was still in use, or could not be removed: the next program there that is taken away removes it. */
const unremoved = new Set<number>();

/** Whether there is no such filter, by the result of a call about it: other errors, as without descriptors, say nothing of it. */
function isGone(result: number): boolean {
  return GONE.has(-result);
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

/** The id of the program, as the kernel has written it. */
function programIn(options: Memory): number {
  return options.view.getUint32(16, true);
}

/** Handles of filters whose process ended without removing them. */
function leftBehind(ifindex: number, direction: Direction, own: number): number[] {
  const handles = filterHandles(ifindex, direction, PRIORITY);
  if (handles.length === 0) return [];
  const ports = new Set(udpSockets().map(({ port }) => port));
  // If the table does not even show this process's own socket, it proves nothing about others.
  const isGone = (handle: number): boolean => ports.has(own >>> 16) && !ports.has(handle >>> 16);
  return handles.filter((handle) => handle === own || isGone(handle));
}
