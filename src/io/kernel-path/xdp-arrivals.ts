import type { Attachment } from '../../linux/bpf/attachment.ts';
import { DRIVER } from '../../linux/bpf/layout.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import type { PeerProgram } from '../../linux/bpf/peer-program.ts';
import { removeRecord, writeRecord } from '../../linux/bpf/records.ts';
import { attachXdp } from '../../linux/bpf/xdp-attachment.ts';
import type { Link } from '../../linux/links.ts';
import { featuresOf } from '../../linux/offloads.ts';
import { countSystemFailure, isShortage } from '../../linux/system-failures.ts';
import type { XdpWish } from '../ports.ts';

/** Kinds of interfaces whose packets come from another host of this kernel, as that one has left them. */
const VIRTUAL = 'veth';
/** A driver may hide the tag of a frame, so that the program cannot tell a VLAN's frame from another. */
const VLAN = 'vlan';
/** Without it the driver's program is of no use. */
const GRO = 'rx-gro';
/** The reason where it is not wished. */
export const XDP_OFF = 'switched off';

/**
 * The interfaces in whose driver datagrams are unwrapped (XDP), so that the kernel merges the TCP segments in them. `decap`, which is attached there
 * too, hands them to the tunnel, and unwraps all that the driver's program leaves. So everything works without the driver's program, too.
 */
export class XdpArrivals {
  private readonly program: PeerProgram;
  private readonly wish: XdpWish;
  private readonly links: LinkStore | undefined;
  /** By index: the attachment, or why there is none. */
  private readonly drivers = new Map<number, Attachment | string>();
  /** Interfaces at which descriptors or memory were short. */
  private readonly short = new Map<number, Link>();
  /** The name of a VLAN on an interface, by the index of that one. */
  private tagged: ReadonlyMap<Link['below'], string> = new Map();

  constructor(program: PeerProgram, wish: XdpWish, links?: LinkStore) {
    this.program = program;
    this.wish = wish;
    this.links = links;
  }

  /**
   * `decap` is attached to these interfaces: the driver's program unwraps there, where it can be, and nowhere else. `all`: the host's interfaces.
   * Throws a SystemCallError.
   */
  follow(links: readonly Link[], all: Iterable<Link>): void {
    const wanted = new Set(links.map(({ ifindex }) => ifindex));
    for (const ifindex of this.drivers.keys()) if (!wanted.has(ifindex)) this.leave(ifindex);
    this.tagged = new Map(
      [...all].flatMap(({ kind, below, name }) => (kind === VLAN ? [[below, name]] : [])),
    );
    for (const link of links) {
      if (this.tagged.has(link.ifindex)) this.leave(link.ifindex);
      else this.enter(link);
    }
  }

  /** Attaches the program where descriptors or memory were short before. Throws a SystemCallError. */
  tryAgain(): void {
    for (const link of [...this.short.values()]) this.enter(link);
  }

  /** `decap` is detached from this interface. The driver's program stays, and unwraps nothing: some drivers interrupt a link to change programs. */
  pause(ifindex: number): void {
    if (this.drivers.has(ifindex)) removeRecord(this.program.map('drivers'), ifindex);
    // What was refused may be permitted when `decap` is attached again.
    if (typeof this.drivers.get(ifindex) === 'string') this.drivers.delete(ifindex);
    this.short.delete(ifindex);
  }

  /** Why nothing is unwrapped in the driver of an interface; undefined: it is. */
  reasonAgainst(ifindex: number): string | undefined {
    if (this.tagged.has(ifindex)) return `there is a VLAN, ${this.tagged.get(ifindex)}`;
    const driver = this.drivers.get(ifindex) ?? 'not attached yet';
    if (typeof driver === 'string') return driver;
    return driver.isAttached()
      ? undefined
      : 'another process has detached the program, or the interface has gone';
  }

  close(): void {
    for (const ifindex of this.drivers.keys()) this.leave(ifindex);
  }

  private enter(link: Link): void {
    const { ifindex, linkAddress, kind } = link;
    if (!this.drivers.has(ifindex) || this.short.has(ifindex)) this.drivers.set(ifindex, this.attach(link));
    if (typeof this.drivers.get(ifindex) === 'string') return;
    writeRecord(this.program.map('drivers'), ifindex, DRIVER.SIZE, (view, bytes) => {
      bytes.set(linkAddress, DRIVER.address);
      view.setUint16(DRIVER.isVirtual, Number(kind === VIRTUAL), true);
    });
  }

  private attach(link: Link): Attachment | string {
    const { ifindex } = link;
    try {
      const attached = this.attachNow(link);
      this.short.delete(ifindex);
      return attached;
    } catch (error) {
      if (!isShortage(error)) throw error;
      if (!this.short.has(ifindex)) countSystemFailure(error);
      this.short.set(ifindex, link);
      return shortageInWords(error);
    }
  }

  /** Throws a SystemCallError where descriptors or memory are short. */
  private attachNow(link: Link): Attachment | string {
    if (this.wish === 'off') return XDP_OFF;
    if (!link.isEthernet) return 'no Ethernet header';
    if (this.wish === 'auto' && featuresOf(link.name)?.active.has(GRO) !== true)
      return 'the interface does not merge packets (generic-receive-offload)';
    const { withoutXdp } = this.program;
    return withoutXdp ?? attachXdp(this.program.program('decap_xdp'), link, this.wish, this.links);
  }

  private leave(ifindex: number): void {
    const driver = this.drivers.get(ifindex);
    this.pause(ifindex);
    this.drivers.delete(ifindex);
    if (typeof driver === 'object') driver.close();
  }
}

/** The reason until it is tried again. */
export function shortageInWords(error: unknown): string {
  return `descriptors or memory are short at the moment: ${(error as Error).message}`;
}
