import { attach } from '../linux/bpf/attachment.ts';
import type { Attachment } from '../linux/bpf/attachment.ts';
import { SystemCallError } from '../linux/errors.ts';
import { MAX_UPLINKS, UPLINK } from '../linux/bpf/layout.ts';
import type { Program } from '../linux/bpf/program.ts';
import { writeRecord } from '../linux/bpf/records.ts';
import type { WayOut } from '../linux/way-out.ts';
import type { Ipv4 } from '../wire/index.ts';
import type { HostNetwork } from './ports.ts';

/** The interfaces that peers are reached through: known to the kernel's programs by their number here. */
export class Uplinks {
  private readonly program: Program;
  private readonly wayOut: WayOut;
  private readonly network: HostNetwork;
  private readonly bound: Ipv4;
  private readonly handle: number;
  /** Numbers by source address; undefined: nothing can be carried from there. */
  private readonly numbers = new Map<Ipv4, number | undefined>();
  private readonly finishing = new Set<number>();
  private readonly attachments = new Map<number, Attachment>();

  /** `bound`: the only source address, or 0. */
  constructor(program: Program, wayOut: WayOut, network: HostNetwork, bound: Ipv4, handle: number) {
    this.program = program;
    this.wayOut = wayOut;
    this.network = network;
    this.bound = bound;
    this.handle = handle;
  }

  /** The number of the way to a destination; undefined where the kernel path leads none. */
  towards(destination: Ipv4): number | undefined {
    const source = this.wayOut.sourceTo(destination);
    if (source === undefined || (this.bound !== 0 && source !== this.bound)) return undefined;
    if (!this.numbers.has(source)) this.numbers.set(source, this.open(source));
    return this.numbers.get(source);
  }

  /** Whether what leaves by this way is cut and has its checksums. */
  finishes(number: number): boolean {
    return this.finishing.has(number);
  }

  /** Forgets all ways: they are asked for anew. */
  reset(): void {
    this.close();
    this.numbers.clear();
    this.finishing.clear();
  }

  close(): void {
    for (const attachment of this.attachments.values()) attachment.close();
    this.attachments.clear();
  }

  private open(source: Ipv4): number | undefined {
    const subnet = this.network.ipv4Subnets().find(({ address }) => address === source);
    const link = subnet === undefined ? undefined : this.wayOut.link(subnet.interface);
    const number = [...this.numbers.values()].filter((n) => n !== undefined).length;
    if (link === undefined || !link.isEthernet || number >= MAX_UPLINKS || !this.attachTo(link.ifindex))
      return undefined;
    if (link.finishes) this.finishing.add(number);
    writeRecord(this.program.map('uplinks'), number, UPLINK.SIZE, (view) => {
      view.setUint32(UPLINK.ifindex, link.ifindex, true);
      view.setUint32(UPLINK.source, source);
      view.setUint32(UPLINK.mtu, link.mtu, true);
      view.setUint32(UPLINK.finishes, Number(link.finishes), true);
    });
    return number;
  }

  /** Whether what comes in on an interface passes the program. */
  private attachTo(ifindex: number): boolean {
    if (this.attachments.has(ifindex)) return true;
    try {
      const program = this.program.program('decap');
      this.attachments.set(ifindex, attach(program, ifindex, 'ingress', this.handle));
      return true;
    } catch (error) {
      // The interface may have gone this moment; peers behind it are served by user space.
      if (error instanceof SystemCallError) return false;
      throw error;
    }
  }
}
