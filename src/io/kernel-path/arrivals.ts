import { attach } from '../../linux/bpf/attachment.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import { SystemCallError } from '../../linux/errors.ts';
import { isShortage } from '../../linux/system-failures.ts';

/** The most interfaces at which the program unwraps datagrams. At other interfaces datagrams reach the socket as usual. */
const MOST = 16;

/** The interfaces at which datagrams to the socket may arrive. The program is attached to each of them. */
export class Arrivals {
  private readonly program: number;
  private readonly handle: number;
  private readonly links: LinkStore | undefined;
  private readonly attachments = new Map<number, Attachment>();
  /** Indexes of the interfaces that an uplink needs. */
  private readonly needed = new Set<number>();

  constructor(program: number, handle: number, links?: LinkStore) {
    this.links = links;
    this.program = program;
    this.handle = handle;
  }

  /** Whether the program sees the datagrams that arrive at an interface that an uplink needs. */
  need(ifindex: number): boolean {
    if (!this.attachments.has(ifindex)) this.makeRoom();
    if (!this.attachTo(ifindex)) return false;
    this.needed.add(ifindex);
    return true;
  }

  /** False if another process has detached the program, or an interface has gone. */
  get areAttached(): boolean {
    return [...this.attachments.values()].every((attachment) => attachment.isAttached());
  }

  /** Attaches to the interfaces that uplinks need and, while there is room, to these in this order; detaches from all others. */
  follow(others: readonly number[]): void {
    const wanted = new Set(others.filter((ifindex) => !this.needed.has(ifindex)));
    for (const [ifindex, attachment] of this.attachments) {
      if (!this.needed.has(ifindex) && !wanted.has(ifindex)) this.detach(ifindex, attachment);
    }
    for (const ifindex of wanted) this.attachTo(ifindex);
  }

  /** False where the system refuses for now to take some away: they are still known, and this may be called again. Throws never. */
  close(): boolean {
    this.needed.clear();
    for (const [ifindex, attachment] of this.attachments) this.detach(ifindex, attachment);
    return this.attachments.size === 0;
  }

  private makeRoom(): void {
    if (this.attachments.size < MOST) return;
    for (const [ifindex, attachment] of this.attachments) {
      if (!this.needed.has(ifindex) && this.detach(ifindex, attachment)) return;
    }
  }

  /** One that the system refuses to take away for now stays: it carries packets rightly on any interface. */
  private detach(ifindex: number, attachment: Attachment): boolean {
    return attachment.close() && this.attachments.delete(ifindex);
  }

  private attachTo(ifindex: number): boolean {
    if (this.attachments.has(ifindex)) return true;
    if (this.attachments.size >= MOST) return false;
    try {
      this.attachments.set(ifindex, attach(this.program, ifindex, 'ingress', this.handle, this.links));
      return true;
    } catch (error) {
      // The interface may just have gone; the user path serves the peers behind it.
      if (error instanceof SystemCallError && !isShortage(error)) return false;
      throw error;
    }
  }
}
