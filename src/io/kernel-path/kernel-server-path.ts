import type { AccessList } from '../../core/access-list.ts';
import { attach, filterHandle } from '../../linux/bpf/attachment.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import type { MODE } from '../../linux/bpf/server-layout.ts';
import { loadServerProgram } from '../../linux/bpf/server-program.ts';
import type { ServerProgram } from '../../linux/bpf/server-program.ts';
import { ipv4Routing } from '../../linux/ipv4-routes.ts';
import { NetlinkMonitor } from '../../linux/netlink-monitor.ts';
import { readSysctl, udpBufferOverflows } from '../../linux/proc.ts';
import { countSystemFailure } from '../../linux/system-failures.ts';
import { ICMPV6_CHECKSUM, TEREDO_PORT } from '../../wire/index.ts';
import { HostLinks, isStrict } from './host-links.ts';
import { HostFirewall } from './host-firewall.ts';
import type { HostRules } from './host-firewall.ts';
import type { Clock, Entropy, HostNetwork, ServerPath, ServerPathOptions, ServerWork } from '../ports.ts';
import { serverUplinks } from './server-uplinks.ts';
import type { ServerUplinks } from './server-uplinks.ts';
import { Debounce } from '../debounce.ts';
import { DriverPath } from './driver-path.ts';
import { XDP_OFF } from './xdp-arrivals.ts';
import { SocketArrivals } from './socket-arrivals.ts';

const USUAL_TTL = 64;
/** A filter at clsact (kernels before 6.6) outlives a killed process. Without a sign of life the program stops working after this time. */
const ALIVE_MS = 15_000;
const SIGN_OF_LIFE_MS = 5_000;
/** After this time in which the program decided every datagram, it leaves one to the sockets as a sample. */
const SAMPLE_MS = 1_000;
const LOOK_MS = 1_000;
const LIMIT_NAMES = {
  answers: 'answers',
  forwarded: 'forwarded',
  forwardedByPair: 'forwarded-by-pair',
} as const;
/** A host with more routes is a router: the server would have to examine each of its many changes. */
const MOST_ROUTES = 4_096;
const NOTHING_TO_DO = 'clients have keys, and forwarded bubbles may leave by several interfaces';

/**
 * Loads a tc program that answers solicitations and forwards bubbles at the interfaces at which datagrams for the server arrive, as far as
 * this host's rules permit.
 */
export class KernelServerPath implements ServerPath {
  private readonly options: ServerPathOptions;
  private readonly network: HostNetwork;
  private readonly monitor = new NetlinkMonitor();
  private readonly program: ServerProgram;
  private readonly driver: DriverPath;
  private readonly key = new Uint8Array(8);
  private readonly clock: Clock;
  /** Of its filters, before kernel 6.6. */
  private readonly handle: number;
  private access: AccessList;
  private readonly attachments = new Map<number, Attachment>();
  private readonly firewall = new HostFirewall();
  private readonly arrivals = new SocketArrivals();
  private onChange: () => void = () => {};
  private cancelLife: (() => void) | undefined;
  private cancelLook: (() => void) | undefined;
  private readonly debounce: Debounce;
  private uplinks: ServerUplinks | undefined;
  private rules: HostRules = {};
  private strict = '';
  private doing: ServerWork = { answers: false, forwards: false };
  /** The situation for which the program is configured. */
  private situation = '';
  private readonly links: LinkStore | undefined;
  /** The program works until a successor takes over. */
  private isLeft = false;
  private closed = false;

  /** `links`: from a predecessor, and for a successor. Throws an Error or a SystemCallError that names the missing part. */
  constructor(
    options: ServerPathOptions,
    clock: Clock,
    network: HostNetwork,
    entropy: Entropy,
    links?: LinkStore,
  ) {
    this.links = links;
    this.options = options;
    this.access = options.access;
    this.clock = clock;
    this.network = network;
    this.debounce = new Debounce(clock, () => this.followNow());
    try {
      this.program = loadServerProgram(options.xdp === 'off' ? XDP_OFF : undefined);
    } catch (error) {
      this.monitor.close();
      throw error;
    }
    this.driver = new DriverPath(this.program, options.xdp ?? 'auto', links);
    entropy.fill(this.key);
    try {
      this.handle = filterHandle({ address: options.primary, port: TEREDO_PORT });
      this.setLimits(options.limits);
      this.follow();
      this.monitor.start(() => this.debounce.trigger());
      this.live();
      this.links?.takeOver();
      this.lookLater();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get counters(): Readonly<Record<string, number>> {
    return this.closed ? {} : this.program.readCounters();
  }

  get withoutXdp(): string | undefined {
    return this.driver.why;
  }

  get work(): ServerWork {
    return this.doing;
  }

  /** All datagrams go to the sockets while the program has no access list, or only a part of it. */
  setAccess(access: AccessList): void {
    if (this.closed) return;
    this.access = access;
    this.detach();
    this.followOrStop(() => this.follow());
  }

  setLimits({ answers, forwarded, forwardedByPair }: ServerPathOptions['limits']): void {
    if (this.closed) return;
    this.program.setBudgets({
      answersShared: answers.shared,
      answersMember: answers.member,
      answersReserve: answers.reserve,
      forwardedShared: forwarded.shared,
      forwardedMember: forwarded.member,
      forwardedReserve: forwarded.reserve,
      forwardedByPairShared: forwardedByPair.shared,
      forwardedByPairMember: forwardedByPair.member,
      forwardedByPairReserve: forwardedByPair.reserve,
    });
  }

  start(onChange: () => void): void {
    this.onChange = onChange;
  }

  leave(): void {
    if (this.closed || this.links?.hasOpen !== true) return;
    this.links.leave();
    this.isLeft = true;
    try {
      this.liveOn();
    } catch (error) {
      countSystemFailure(error);
    }
  }

  close(): void {
    if (this.closed) return;
    this.noteLimits();
    this.closed = true;
    this.cancelLife?.();
    this.cancelLook?.();
    this.debounce.close();
    this.monitor.close();
    this.detach();
    this.driver.close();
    this.program.close();
    // Where descriptors were short, there are some now.
    this.driver.close();
    for (const [ifindex, attachment] of this.attachments) this.detachFrom(ifindex, attachment);
  }

  private live(): void {
    this.cancelLife = this.clock.setTimer(this.clock.now() + SIGN_OF_LIFE_MS, () => {
      this.live();
      // The kernel sends no message when a filter is removed or rp_filter changes; and a step that has failed may succeed now.
      if (this.uplinks === undefined || !this.areAttached() || this.strictNow() !== this.strict)
        this.followNow();
    });
    this.liveOn();
  }

  private liveOn(): void {
    this.program.liveUntil(process.hrtime.bigint() + BigInt(ALIVE_MS) * 1_000_000n);
  }

  private lookLater(): void {
    this.cancelLook = this.clock.setTimer(this.clock.now() + LOOK_MS, () => {
      this.lookLater();
      this.noteLimits();
      if (this.uplinks !== undefined) this.changing(() => this.look(this.uplinks!));
    });
  }

  /** An address or its interface may have gone. The sockets still exist, and the server answers on the user path. */
  private followNow(): void {
    this.changing(() => this.follow());
  }

  private changing(change: () => void): void {
    const before = JSON.stringify(this.doing);
    this.followOrStop(change);
    if (JSON.stringify(this.doing) !== before) this.onChange();
  }

  private followOrStop(change: () => void): void {
    try {
      change();
    } catch (error) {
      countSystemFailure(error);
      this.doing = { answers: false, forwards: false, reason: (error as Error).message };
      this.detach();
    }
  }

  /** Attaches the program to the interfaces at which datagrams for the server arrive now. */
  private follow(): void {
    const { primary, secondary, allowPrivate } = this.options;
    const own = secondary === undefined ? [primary] : [primary, secondary];
    const host = {
      subnets: this.network.ipv4Subnets(),
      links: new HostLinks(),
      routing: ipv4Routing(MOST_ROUTES),
    };
    const uplinks = serverUplinks(own, host, allowPrivate);
    if (!this.areAttached()) this.detach();
    this.uplinks = uplinks;
    this.strict = this.strictNow();
    const at = new Set(uplinks.at.map(({ ifindex }) => ifindex));
    for (const [ifindex, attachment] of this.attachments) {
      if (!at.has(ifindex) && !this.detachFrom(ifindex, attachment)) this.debounce.again();
    }
    this.driver.follow(uplinks, host.links.links.values());
    // The configuration comes first: the programs already attached may have another route out now.
    this.look(uplinks);
    for (const ifindex of at)
      if (!this.attachments.has(ifindex))
        this.attachments.set(ifindex, attach(this.program.fd, ifindex, 'ingress', this.handle, this.links));
  }

  /** The work that the program may do, from this host's rules and from the samples at the sockets. */
  private look(uplinks: ServerUplinks): void {
    this.rules = this.firewall.look(uplinks.at.map(({ name }) => name));
    const { rule, unknown } = this.rules;
    if (rule === undefined) this.countArrivals();
    else this.arrivals.forget();
    const { answers } = this.options;
    const forwards = uplinks.uplink !== 0;
    const hasWork = answers || forwards;
    const why = rule ?? this.arrivals.why;
    this.configure(uplinks, !hasWork || rule !== undefined ? 'off' : why === undefined ? 'work' : 'watch');
    if (!hasWork) this.doing = { answers, forwards, reason: NOTHING_TO_DO };
    else if (why !== undefined) this.doing = { answers: false, forwards: false, reason: why };
    else this.doing = { answers, forwards, ...(unknown === undefined ? {} : { unknown }) };
  }

  private countArrivals(): void {
    this.arrivals.update(this.clock.now(), {
      left: this.program.readCounters().leftToSockets,
      arrived: this.options.arrived(),
      overflows: udpBufferOverflows(),
    });
  }

  private noteLimits(): void {
    const { limitHits } = this.options;
    if (limitHits === undefined) return;
    try {
      for (const { limit, times, addresses } of this.program.takeReachedLimits()) {
        let others = times;
        for (const hit of addresses) {
          limitHits.ipv4(LIMIT_NAMES[limit], hit.address, hit.times);
          others -= hit.times;
        }
        limitHits.others(LIMIT_NAMES[limit], others);
      }
      if (limitHits.isPending) this.options.onLimit?.();
    } catch {
      // the status shows the program's counts, too
    }
  }

  private areAttached(): boolean {
    return [...this.attachments.values()].every((attachment) => attachment.isAttached());
  }

  private strictNow(): string {
    return (this.uplinks?.at ?? [])
      .filter(isStrict)
      .map(({ name }) => name)
      .join(' ');
  }

  /** Throws never. A filter that cannot be taken away (kernels before 6.6: that needs a descriptor) decides nothing until it is configured again. */
  private detach(): void {
    this.uplinks = undefined;
    this.situation = '';
    try {
      if (!this.isLeft) this.program.switchOff();
    } catch (error) {
      countSystemFailure(error);
    }
    for (const [ifindex, attachment] of this.attachments) this.detachFrom(ifindex, attachment);
  }

  /** False where the system refuses it for now: it is tried again when the program is next attached or detached. */
  private detachFrom(ifindex: number, attachment: Attachment): boolean {
    return attachment.close() && this.attachments.delete(ifindex);
  }

  private configure(uplinks: ServerUplinks, mode: keyof typeof MODE): void {
    const { uplink, ranges, anySource } = uplinks;
    const { primary, secondary = 0, announced, advertisement, answers, allowPrivate } = this.options;
    // Handled like addresses of this host: datagrams from or to them go to the sockets.
    const others = [announced.primary, announced.secondary ?? 0]
      .filter((address) => address !== 0 && address !== primary && address !== secondary)
      .map((address) => ({ address, prefixLength: 32 }));
    const driver = answers ? this.driver.look(uplinks) : undefined;
    const ttl = Number(readSysctl('net/ipv4/ip_default_ttl') ?? USUAL_TTL);
    const situation = JSON.stringify([uplink, ranges, anySource, mode, ttl, driver]);
    if (situation === this.situation) return;
    this.program.configure({
      primary,
      secondary,
      announced: announced.primary,
      key: this.key,
      uplink,
      sampleMs: SAMPLE_MS,
      ranges: [...ranges, ...others],
      advertisement,
      checksumAt: ICMPV6_CHECKSUM,
      answers,
      allowPrivate,
      ttl,
      mode,
      anySource,
      access: this.access,
      driver,
    });
    this.situation = situation;
  }
}
