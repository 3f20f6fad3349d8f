import { MAX_DRIVER_LINKS } from '../../linux/bpf/server-layout.ts';
import type { DriverLink, DriverWork, ServerProgram } from '../../linux/bpf/server-program.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import { attachXdp } from '../../linux/bpf/xdp-attachment.ts';
import { ethernetLink, neighbourAddress } from '../../linux/ethernet.ts';
import type { EthernetLink } from '../../linux/ethernet.ts';
import type { Link } from '../../linux/links.ts';
import type { XdpWish } from '../ports.ts';
import { countSystemFailure } from '../system-failures.ts';
import { DriverTrial } from './driver-trial.ts';
import { OutwardRules } from './outward-rules.ts';
import type { ServerUplinks } from './server-uplinks.ts';
import { shortageInWords } from './xdp-arrivals.ts';

const NO_WORK: DriverWork = { links: [], near: [] };
/** The kind of interfaces whose drivers run programs themselves: hardware has none. */
const HARDWARE = '';
/** Not by itself: its other end takes what a driver gives back only if it has an XDP program, too, and may keep it waiting otherwise. */
const VETH = 'veth';
/** Queues that only put packets in order. What a driver sends waits in none. */
const UNSHAPED = new Set(['noqueue', 'noop', 'mq', 'fq', 'fq_codel', 'pfifo_fast', 'pfifo']);
/** In the place of a gateway: the answer goes to the host that asked. */
const ANY = new Uint8Array(6);

/**
 * The server's program in the drivers of interfaces, in front of the one at their ingress. It answers only where the other would send the
 * same answer to the same next host, and where no rule applies to packets that leave there.
 */
export class DriverPath {
  private readonly program: ServerProgram;
  private readonly wish: XdpWish;
  private readonly store: LinkStore | undefined;
  private readonly rules = new OutwardRules();
  private readonly attachments = new Map<number, Attachment>();
  private trial = new DriverTrial();
  private reason: string | undefined;
  private shortage: string | undefined;
  /** Interfaces at which descriptors or memory were short. */
  private waiting: Link[] = [];
  private rule: string | undefined;

  constructor(program: ServerProgram, wish: XdpWish, store?: LinkStore) {
    this.program = program;
    this.wish = wish;
    this.store = store;
  }

  /** Why no solicitation is answered in a driver; undefined if they are, or will be after the first. */
  get why(): string | undefined {
    return this.reason ?? this.shortage ?? this.rule ?? this.trial.why;
  }

  /** Attaches the program where it may work, and detaches it elsewhere. Throws never. */
  follow({ at, wayBack }: ServerUplinks, all: Iterable<Link>): void {
    this.reason = this.reasonAgainst(at, wayBack, [...all]);
    const wanted = this.reason === undefined ? at : [];
    for (const [ifindex, attachment] of this.attachments) {
      const isGone = !attachment.isAttached();
      if ((isGone || !wanted.some((link) => link.ifindex === ifindex)) && attachment.close())
        this.attachments.delete(ifindex);
    }
    this.attachTo(wanted);
  }

  /** The work that the program may do now. Throws never: where the system refuses to say, it is none, and the program behind it does all. */
  look(uplinks: ServerUplinks): DriverWork {
    try {
      return this.workAt(uplinks);
    } catch (error) {
      countSystemFailure(error);
      return NO_WORK;
    }
  }

  private workAt({ at, wayBack }: ServerUplinks): DriverWork {
    if (this.waiting.length > 0) this.attachTo(this.waiting);
    const links = at.filter(({ ifindex }) => this.attachments.has(ifindex));
    if (links.length === 0) return NO_WORK;
    this.rules.look();
    const found = links.map(({ ifindex, name }) => ({ ifindex, name, ethernet: ethernetLink(ifindex) }));
    this.rule = found
      .map(({ name, ethernet }) => this.rules.against(name) ?? shapingOf(ethernet))
      .find((one) => one !== undefined);
    this.tryOut(found.reduce((sum, { ethernet }) => sum + (ethernet?.sendDrops ?? 0), 0));
    if (this.rule !== undefined || typeof wayBack === 'string') return NO_WORK;
    const drivers = found.flatMap(({ ifindex, ethernet }): DriverLink[] => {
      const gateway = wayBack === undefined ? ANY : neighbourAddress(ifindex, wayBack.gateway);
      if (ethernet === undefined || gateway === undefined) return [];
      return [{ ifindex, address: ethernet.address, gateway }];
    });
    return { links: drivers, near: wayBack?.near ?? [] };
  }

  /** Harmless when repeated. */
  close(): void {
    for (const [ifindex, attachment] of this.attachments)
      if (attachment.close()) this.attachments.delete(ifindex);
  }

  /** Where descriptors or memory are short, it is tried again at the next look. */
  private attachTo(links: readonly Link[]): void {
    this.shortage = undefined;
    this.waiting = [];
    for (const link of links) {
      if (this.attachments.has(link.ifindex)) continue;
      try {
        const attached = attachXdp(
          this.program.driverFd,
          link,
          this.wish === 'on' ? 'on' : 'auto',
          this.store,
        );
        if (typeof attached === 'string') this.reason = attached;
        else {
          this.attachments.set(link.ifindex, attached);
          this.trial = new DriverTrial();
        }
      } catch (error) {
        this.shortage = shortageInWords(error);
        this.waiting.push(link);
      }
    }
  }

  private reasonAgainst(
    at: readonly Link[],
    wayBack: ServerUplinks['wayBack'],
    all: readonly Link[],
  ): string | undefined {
    const { withoutXdp } = this.program;
    if (withoutXdp !== undefined) return withoutXdp;
    if (at.length > MAX_DRIVER_LINKS) return `more than ${MAX_DRIVER_LINKS} interfaces`;
    const odd = at.find(({ kind }) => kind !== HARDWARE && !(kind === VETH && this.wish === 'on'));
    if (odd !== undefined) return `${odd.name} is of the kind ${odd.kind}`;
    // A driver may hide the tag of a frame, so that the program cannot tell a VLAN's frame from another.
    const tagged = all.find(
      ({ kind, below }) => kind === 'vlan' && at.some(({ ifindex }) => ifindex === below),
    );
    if (tagged !== undefined) return `there is a VLAN, ${tagged.name}`;
    return typeof wayBack === 'string' ? wayBack : undefined;
  }

  private tryOut(sendDrops: number): void {
    const answered = this.program.readCounters().answeredInDriver;
    this.program.allowInDriver(this.trial.look({ answered, sendDrops }));
  }
}

function shapingOf(link: EthernetLink | undefined): string | undefined {
  if (link === undefined || UNSHAPED.has(link.queue)) return undefined;
  return `packets that leave wait in a queue of the kind ${link.queue}`;
}
