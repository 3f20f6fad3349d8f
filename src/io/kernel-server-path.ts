import type { AccessList } from '../core/access-list.ts';
import { attach, filterHandle } from '../linux/bpf/attachment.ts';
import type { Attachment } from '../linux/bpf/attachment.ts';
import { ServerProgram } from '../linux/bpf/server-program.ts';
import { ipv4Routes } from '../linux/ipv4-routes.ts';
import { NetlinkMonitor } from '../linux/netlink-monitor.ts';
import { readSysctl } from '../linux/proc.ts';
import { WayOut } from '../linux/way-out.ts';
import { ICMPV6_CHECKSUM, TEREDO_PORT, formatIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { isOnlyWayOut } from './only-way-out.ts';
import type {
  Clock,
  Entropy,
  HostNetwork,
  Ipv4Subnet,
  ServerPath,
  ServerPathOptions,
  ServerWork,
} from './ports.ts';
import { Settling } from './settling.ts';

const USUAL_TTL = 64;
/** A filter at clsact (kernels before 6.6) outlives a process that is killed: it then goes on for so long, and no longer. */
const ALIVE_MS = 15_000;
const SIGN_OF_LIFE_MS = 5_000;
/** Hosts with more are routers: each of their many changes would have to be looked at. */
const MOST_ROUTES = 4_096;
const NOTHING_TO_DO = 'clients have keys, and what is forwarded may leave by several ways';

/** Has a tc program answer solicitations and forward bubbles where the server's addresses are. */
export class KernelServerPath implements ServerPath {
  private readonly options: ServerPathOptions;
  private readonly network: HostNetwork;
  private readonly program = new ServerProgram();
  private readonly wayOut = new WayOut();
  private readonly monitor = new NetlinkMonitor();
  private readonly key = new Uint8Array(8);
  private readonly clock: Clock;
  private access: AccessList;
  private attachments: Attachment[] = [];
  private onChange: () => void = () => {};
  private cancelLife: (() => void) | undefined;
  private readonly settling: Settling;
  private doing: ServerWork = { answers: false, forwards: false };
  /** What the program is configured for. */
  private situation = '';
  private closed = false;

  /** Throws an Error or a SystemCallError that says what this machine lacks. */
  constructor(options: ServerPathOptions, clock: Clock, network: HostNetwork, entropy: Entropy) {
    this.options = options;
    this.access = options.access;
    this.clock = clock;
    this.network = network;
    this.settling = new Settling(clock, () => this.followNow());
    entropy.fill(this.key);
    try {
      const { answers, forwarded, forwardedByPair } = options.limits;
      this.program.setBudgets({
        answersShared: answers.shared,
        answersMember: answers.member,
        answersReserve: answers.reserve,
        forwardedShared: forwarded.shared,
        forwardedMember: forwarded.member,
        forwardedReserve: forwarded.reserve,
        forwardedByPair,
      });
      this.follow();
    } catch (error) {
      this.close();
      throw error;
    }
    this.monitor.start(() => this.settling.stir());
    this.live();
  }

  get counters(): Readonly<Record<string, number>> {
    return this.closed ? {} : this.program.readCounters();
  }

  get work(): ServerWork {
    return this.doing;
  }

  /** The sockets get everything while the program has no list, or has a part of one. */
  setAccess(access: AccessList): void {
    if (this.closed) return;
    this.access = access;
    this.detach();
    this.followOrStop();
  }

  start(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelLife?.();
    this.settling.close();
    this.monitor.close();
    this.detach();
    this.wayOut.close();
    this.program.close();
  }

  private live(): void {
    this.program.liveUntil(process.hrtime.bigint() + BigInt(ALIVE_MS) * 1_000_000n);
    this.cancelLife = this.clock.setTimer(this.clock.now() + SIGN_OF_LIFE_MS, () => {
      this.live();
      // Nobody says it when somebody takes a filter away.
      if (!this.attachments.every((attachment) => attachment.isThere())) this.followNow();
    });
  }

  /** An address or its interface may have gone: its sockets are still there, and so is the server in user space. */
  private followNow(): void {
    const before = JSON.stringify(this.doing);
    this.followOrStop();
    if (JSON.stringify(this.doing) !== before) this.onChange();
  }

  private followOrStop(): void {
    try {
      this.follow();
    } catch (error) {
      this.detach();
      this.doing = { answers: false, forwards: false, reason: (error as Error).message };
    }
  }

  /** Attaches the program to where the server's addresses are now. */
  private follow(): void {
    const subnets = this.network.ipv4Subnets();
    const { primary, secondary, allowPrivate, answers } = this.options;
    const own = secondary === undefined ? [primary] : [primary, secondary];
    const links = own.map((address) => this.linkOf(address, subnets));
    const uplink = isOnlyWayOut(links[0]!, ipv4Routes(MOST_ROUTES), allowPrivate) ? links[0]! : 0;
    const situation = JSON.stringify([subnets, links, uplink]);
    if (situation === this.situation && this.attachments.every((attachment) => attachment.isThere())) return;
    this.detach();
    this.configure(subnets, uplink);
    const handle = filterHandle({ address: primary, port: TEREDO_PORT });
    for (const ifindex of new Set(links)) {
      this.attachments.push(attach(this.program.fd, ifindex, 'ingress', handle));
    }
    const forwards = uplink !== 0;
    this.doing = { answers, forwards, ...(answers || forwards ? {} : { reason: NOTHING_TO_DO }) };
    this.situation = situation;
  }

  /** Index of the interface that has an address. */
  private linkOf(address: Ipv4, subnets: readonly Ipv4Subnet[]): number {
    const subnet = subnets.find((one) => one.address === address);
    if (subnet === undefined) throw new Error(`no interface that is up has ${formatIpv4(address)}`);
    const link = this.wayOut.link(subnet.interface);
    if (link?.isEthernet !== true) throw new Error(`${formatIpv4(address)} is at no Ethernet interface`);
    return link.ifindex;
  }

  private detach(): void {
    for (const attachment of this.attachments) attachment.close();
    this.attachments = [];
    this.situation = '';
  }

  private configure(subnets: readonly Ipv4Subnet[], uplink: number): void {
    const { primary, secondary = 0, advertisement, answers, allowPrivate } = this.options;
    this.program.configure({
      primary,
      secondary,
      key: this.key,
      uplink,
      local: localAddresses(subnets).filter((address) => address !== primary && address !== secondary),
      advertisement,
      checksumAt: ICMPV6_CHECKSUM,
      answers,
      allowPrivate,
      ttl: Number(readSysctl('net/ipv4/ip_default_ttl') ?? USUAL_TTL),
      access: this.access,
    });
  }
}

/** This host's addresses and the broadcast addresses of its subnets. */
function localAddresses(subnets: readonly Ipv4Subnet[]): Ipv4[] {
  const all = subnets.flatMap(({ address, prefixLength }) =>
    prefixLength > 0 && prefixLength < 31
      ? [address, (address | (2 ** (32 - prefixLength) - 1)) >>> 0]
      : [address],
  );
  return [...new Set(all)];
}
