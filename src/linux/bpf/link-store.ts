import { SystemCallError } from '../errors.ts';
import { Memory, sys } from '../libc.ts';
import type { PassedDescriptor } from '../passed-descriptors.ts';
import { libbpf } from './libbpf.ts';

/** struct bpf_link_info: type, and of a tcx link the index of its interface and the direction. */
const [INFO_SIZE, TYPE, IFINDEX, ATTACH_TYPE] = [64, 0, 16, 20];
const BPF_LINK_TYPE_TCX = 11;
/** Attach types of tcx links. */
export const TCX = { ingress: 46, egress: 47 } as const;
export type Direction = keyof typeof TCX;

/** Keeps descriptors by name for a successor of this process. */
export interface Keeper {
  keep(name: string, fd: number): void;
  remove(name: string): void;
}

/**
 * tcx links that stay attached while a role is restarted: the programs of the predecessor work until {@link takeOver}, which replaces each by the
 * successor's program, without a moment between them.
 */
export class LinkStore {
  private readonly keeper: Keeper;
  /** Links of the predecessor that this process has not asked for yet, by name. */
  private readonly left = new Map<string, number>();
  /** The replacements to be made, by the name of the link; undefined: they have been made. */
  private waiting: Map<string, () => void> | undefined = new Map();
  /** Names of the open links of this process. */
  private readonly open = new Set<string>();
  private isLeaving = false;

  constructor(keeper: Keeper, passed: readonly PassedDescriptor[]) {
    this.keeper = keeper;
    for (const { name, fd } of passed) {
      if (linkNameOf(fd) === name && !this.left.has(name)) this.left.set(name, fd);
      else this.discard(name, fd);
    }
  }

  /** Whether programs of a predecessor are still attached that are not taken over yet. */
  get hasLeft(): boolean {
    return this.left.size > 0;
  }

  /** Whether there is a link to leave to a successor. Before kernel 6.6 there is none. */
  get hasOpen(): boolean {
    return this.open.size > 0;
  }

  /** The predecessor's link there, which gets this program at {@link takeOver}; undefined: there is none. */
  adopt(program: number, ifindex: number, direction: Direction): number | undefined {
    const name = nameOf(ifindex, direction);
    const link = this.left.get(name);
    if (link === undefined) return undefined;
    this.left.delete(name);
    this.open.add(name);
    const replace = (): void => {
      const result = libbpf().updateLink(link, program, 0);
      if (result < 0) throw new SystemCallError('bpf_link_update', -result);
    };
    if (this.waiting === undefined) replace();
    else this.waiting.set(name, replace);
    return link;
  }

  keep(link: number, ifindex: number, direction: Direction): void {
    const name = nameOf(ifindex, direction);
    this.open.add(name);
    this.keeper.keep(name, link);
  }

  /** Closes a link: it is detached, unless it is left to the successor. */
  close(link: number, ifindex: number, direction: Direction): void {
    const name = nameOf(ifindex, direction);
    this.open.delete(name);
    this.waiting?.delete(name);
    if (!this.isLeaving) this.keeper.remove(name);
    sys.close(link);
  }

  /**
   * The programs of this process work from now on. Links that they do not need are detached. Throws the first SystemCallError, after all others
   * have been replaced.
   */
  takeOver(): void {
    const errors: unknown[] = [];
    for (const replace of this.waiting?.values() ?? []) {
      try {
        replace();
      } catch (error) {
        errors.push(error);
      }
    }
    this.waiting = undefined;
    this.discardLeft();
    if (errors.length > 0) throw errors[0];
  }

  /** Detaches the programs of the predecessor that are not taken over. */
  discardLeft(): void {
    for (const [name, fd] of this.left) this.discard(name, fd);
    this.left.clear();
  }

  /** From now on closed links stay attached, for the successor. */
  leave(): void {
    this.isLeaving = true;
  }

  private discard(name: string, fd: number): void {
    this.keeper.remove(name);
    sys.close(fd);
  }
}

/** Whether a descriptor with this name is kept as a link. */
export function isLinkName(name: string): boolean {
  return /^link-(ingress|egress)-\d{1,10}$/.test(name);
}

function nameOf(ifindex: number, direction: Direction): string {
  return `link-${direction}-${ifindex}`;
}

/** The name that a link should have; undefined if it is none, or if its interface has gone. */
function linkNameOf(fd: number): string | undefined {
  const info = new Memory(INFO_SIZE);
  const size = new Memory(4);
  size.view.setUint32(0, INFO_SIZE, true);
  if (libbpf().linkInfo(fd, info.address, size.address) < 0) return undefined;
  const ifindex = info.view.getUint32(IFINDEX, true);
  const type = info.view.getUint32(ATTACH_TYPE, true);
  if (info.view.getUint32(TYPE, true) !== BPF_LINK_TYPE_TCX || ifindex === 0) return undefined;
  if (type === TCX.ingress) return nameOf(ifindex, 'ingress');
  return type === TCX.egress ? nameOf(ifindex, 'egress') : undefined;
}
