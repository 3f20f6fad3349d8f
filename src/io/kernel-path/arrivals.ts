import { attach } from '../../linux/bpf/attachment.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import { MAX_ARRIVALS } from '../../linux/bpf/layout.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import { SystemCallError } from '../../linux/errors.ts';
import type { XdpArrivals } from './xdp-arrivals.ts';
import { isShortage } from '../../linux/system-failures.ts';
import type { Receiver } from './uplink-situation.ts';

/** At interfaces beyond these datagrams reach the socket as usual. */
const MOST = MAX_ARRIVALS;

/** Those for interfaces with, and without, an Ethernet header. */
export interface ArrivalPrograms {
  readonly ethernet: number;
  readonly bare: number;
}

/** The interfaces at which datagrams to the socket may arrive. The program is attached to each of them. */
export class Arrivals {
  private readonly programs: ArrivalPrograms;
  private readonly handle: number;
  private readonly links: LinkStore | undefined;
  private readonly xdp: Pick<XdpArrivals, 'pause'> | undefined;
  private readonly attachments = new Map<number, Attachment>();
  /** Indexes of the interfaces that an uplink needs. */
  private readonly needed = new Set<number>();

  /** `xdp`: the driver's programs, which need these. */
  constructor(
    programs: ArrivalPrograms,
    handle: number,
    links?: LinkStore,
    xdp?: Pick<XdpArrivals, 'pause'>,
  ) {
    this.xdp = xdp;
    this.links = links;
    this.programs = programs;
    this.handle = handle;
  }

  /** Whether the program sees the datagrams that arrive at an interface that an uplink needs. */
  need(receiver: Receiver): boolean {
    if (!this.attachments.has(receiver.ifindex)) this.makeRoom();
    if (!this.attachTo(receiver)) return false;
    this.needed.add(receiver.ifindex);
    return true;
  }

  /**
   * False if another process has detached the program, or an interface has gone. The driver's program unwraps nothing there from now on: nothing
   * would hand its packets to the tunnel.
   */
  lookAtAttachments(): boolean {
    const gone = [...this.attachments].filter(([, attachment]) => !attachment.isAttached());
    for (const [ifindex] of gone) this.xdp?.pause(ifindex);
    return gone.length === 0;
  }

  /** Of the interfaces at which the program is. */
  get indexes(): number[] {
    return [...this.attachments.keys()];
  }

  /** Attaches to the interfaces that uplinks need and, while there is room, to these in this order; detaches from all others. */
  follow(others: readonly Receiver[]): void {
    const wanted = new Map(others.map((receiver) => [receiver.ifindex, receiver]));
    for (const ifindex of this.needed) wanted.delete(ifindex);
    for (const [ifindex, attachment] of this.attachments) {
      if (!this.needed.has(ifindex) && !wanted.has(ifindex)) this.detach(ifindex, attachment);
    }
    for (const receiver of wanted.values()) this.attachTo(receiver);
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
    this.xdp?.pause(ifindex);
    return attachment.close() && this.attachments.delete(ifindex);
  }

  private attachTo({ ifindex, isBare }: Receiver): boolean {
    if (this.attachments.has(ifindex)) return true;
    if (this.attachments.size >= MOST) return false;
    try {
      this.attachments.set(
        ifindex,
        attach(
          isBare ? this.programs.bare : this.programs.ethernet,
          ifindex,
          'ingress',
          this.handle,
          this.links,
        ),
      );
      return true;
    } catch (error) {
      // The interface may just have gone; the user path serves the peers behind it.
      if (error instanceof SystemCallError && !isShortage(error)) return false;
      throw error;
    }
  }
}
