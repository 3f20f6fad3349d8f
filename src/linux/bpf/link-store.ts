import { SystemCallError } from '../errors.ts';
import { Memory, sys } from '../libc.ts';
import type { PassedDescriptor } from '../passed-descriptors.ts';
import { libbpf } from './libbpf.ts';

/** struct bpf_link_info: type, the index of its interface, and of a tcx link the direction. */
const [INFO_SIZE, TYPE, IFINDEX, ATTACH_TYPE] = [64, 0, 16, 20];
const LINK_TYPE = { xdp: 6, tcx: 11 } as const;
/** Attach types of tcx links. */
export const TCX = { ingress: 46, egress: 47 } as const;
export type Direction = keyof typeof TCX;
/** Where a program is attached at an interface. */
export type Hook = Direction | 'xdp';

/** Keeps descriptors by name for a successor of this process. */
export interface Keeper {
  keep(name: string, fd: number): void;
  /** All descriptors with this name. */
  remove(name: string): void;
}

/** A link of the predecessor. */
interface LeftLink {
  readonly name: string;
  readonly place: string;
}

/**
 * Links of programs at interfaces, tcx and XDP, that stay attached while a role is restarted: the programs of the predecessor work until
 * {@link takeOver}, which replaces each by the successor's program, without a moment between them.
 */
export class LinkStore {
  private readonly keeper: Keeper;
  /** Links of the predecessor that this process has not asked for yet, by descriptor. */
  private readonly left = new Map<number, LeftLink>();
  /** The replacements to be made, by the descriptor of the link; undefined: they have been made. */
  private waiting: Map<number, () => void> | undefined = new Map();
  /** Names of the open links of this process, by descriptor. Each has another: the keeper removes by name. */
  private readonly open = new Map<number, string>();
  private isLeaving = false;

  constructor(keeper: Keeper, passed: readonly PassedDescriptor[]) {
    this.keeper = keeper;
    for (const { name, fd } of passed) {
      const place = placeOf(fd);
      if (place !== undefined && placeIn(name) === place && this.leftAt(place) === undefined)
        this.left.set(fd, { name, place });
      else this.discard(name, fd);
    }
  }

  /** Whether programs of a predecessor are still attached that are not taken over yet. */
  get hasLeft(): boolean {
    return this.left.size > 0;
  }

  /** Whether there is a link at tc to leave to a successor. Before kernel 6.6 there is none: a link in a driver is of no use alone. */
  get hasOpen(): boolean {
    return [...this.open.values()].some(isAtTc);
  }

  /** The predecessor's link there, which gets this program at {@link takeOver}; undefined: there is none. */
  adopt(program: number, ifindex: number, hook: Hook): number | undefined {
    const link = this.leftAt(placeAt(ifindex, hook));
    if (link === undefined) return undefined;
    this.open.set(link, this.left.get(link)!.name);
    this.left.delete(link);
    const replace = (): void => {
      const result = libbpf().updateLink(link, program, 0);
      if (result < 0) throw new SystemCallError('bpf_link_update', -result);
    };
    if (this.waiting === undefined) replace();
    else this.waiting.set(link, replace);
    return link;
  }

  keep(link: number, ifindex: number, hook: Hook): void {
    const name = this.freeName(placeAt(ifindex, hook));
    this.open.set(link, name);
    this.keeper.keep(name, link);
  }

  /** Closes a link of {@link adopt} or {@link keep}: it is detached, unless it is left to the successor. */
  close(link: number): void {
    const name = this.open.get(link);
    this.open.delete(link);
    this.waiting?.delete(link);
    if (!this.isLeaving && name !== undefined) this.keeper.remove(name);
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
    for (const [fd, { name }] of this.left) this.discard(name, fd);
    this.left.clear();
  }

  /** From now on closed links stay attached, for the successor. */
  leave(): void {
    this.isLeaving = true;
  }

  private leftAt(place: string): number | undefined {
    for (const [fd, left] of this.left) if (left.place === place) return fd;
    return undefined;
  }

  /** A link may be made before another one at the same place is closed. */
  private freeName(place: string): string {
    const taken = new Set([...this.open.values(), ...[...this.left.values()].map(({ name }) => name)]);
    if (!taken.has(place)) return place;
    for (let i = 2; ; i++) if (!taken.has(`${place}.${i}`)) return `${place}.${i}`;
  }

  private discard(name: string, fd: number): void {
    this.keeper.remove(name);
    sys.close(fd);
  }
}

/** Whether a descriptor with this name is kept as a link. */
export function isLinkName(name: string): boolean {
  return /^link-(ingress|egress|xdp)-\d{1,10}(\.\d{1,3})?$/.test(name);
}

/** The place that the name of a link names: hook and interface. */
function placeIn(name: string): string {
  return name.split('.')[0]!;
}

function isAtTc(name: string): boolean {
  return !name.startsWith('link-xdp-');
}

function placeAt(ifindex: number, hook: Hook): string {
  return `link-${hook}-${ifindex}`;
}

/** Where a link is attached; undefined if it is none, or if its interface has gone. */
function placeOf(fd: number): string | undefined {
  const info = new Memory(INFO_SIZE);
  const size = new Memory(4);
  size.view.setUint32(0, INFO_SIZE, true);
  if (libbpf().linkInfo(fd, info.address, size.address) < 0) return undefined;
  const ifindex = info.view.getUint32(IFINDEX, true);
  const type = info.view.getUint32(TYPE, true);
  if (ifindex === 0) return undefined;
  if (type === LINK_TYPE.xdp) return placeAt(ifindex, 'xdp');
  if (type !== LINK_TYPE.tcx) return undefined;
  const direction = info.view.getUint32(ATTACH_TYPE, true);
  if (direction === TCX.ingress) return placeAt(ifindex, 'ingress');
  return direction === TCX.egress ? placeAt(ifindex, 'egress') : undefined;
}
