import { isPrivate } from '../core/address-policy.ts';
import { attach } from '../linux/bpf/attachment.ts';
import type { Attachment } from '../linux/bpf/attachment.ts';
import { ServerProgram } from '../linux/bpf/server-program.ts';
import { NetlinkMonitor } from '../linux/netlink-monitor.ts';
import { readSysctl } from '../linux/proc.ts';
import { WayOut } from '../linux/way-out.ts';
import type { Link } from '../linux/way-out.ts';
import { ICMPV6_CHECKSUM, TEREDO_PORT, formatIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import type { Clock, Entropy, HostNetwork, Ipv4Subnet, ServerPath, ServerPathOptions } from './ports.ts';

const FILTER_HANDLE = 0x7ed1_0000;
const USUAL_TTL = 64;
/** A filter at clsact (kernels before 6.6) outlives a process that is killed: it then goes on for so long, and no longer. */
const ALIVE_MS = 15_000;
const SIGN_OF_LIFE_MS = 5_000;

/** Has a tc program answer solicitations and forward bubbles where the server's addresses are. */
export class KernelServerPath implements ServerPath {
  private readonly options: ServerPathOptions;
  private readonly network: HostNetwork;
  private readonly program = new ServerProgram();
  private readonly wayOut = new WayOut();
  private readonly monitor = new NetlinkMonitor();
  private readonly key = new Uint8Array(8);
  private readonly clock: Clock;
  private attachments: Attachment[] = [];
  private cancelTimer: (() => void) | undefined;
  private landscape = '';
  private closed = false;

  /** Throws an Error or a SystemCallError that says what this machine lacks. */
  constructor(options: ServerPathOptions, clock: Clock, network: HostNetwork, entropy: Entropy) {
    this.options = options;
    this.clock = clock;
    this.network = network;
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
    this.monitor.start(() => this.followLater());
    this.live();
  }

  get counters(): Readonly<Record<string, number>> {
    return this.closed ? {} : this.program.readCounters();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelTimer?.();
    this.monitor.close();
    this.detach();
    this.wayOut.close();
    this.program.close();
  }

  private live(): void {
    this.program.liveUntil(process.hrtime.bigint() + BigInt(ALIVE_MS) * 1_000_000n);
    this.cancelTimer = this.clock.setTimer(this.clock.now() + SIGN_OF_LIFE_MS, () => this.live());
  }

  /** An address or its interface may have gone: its sockets are still there, and so is the server in user space. */
  private followLater(): void {
    try {
      this.follow();
    } catch {
      this.detach();
      this.landscape = '';
    }
  }

  /** Attaches the program to where the server's addresses are now. */
  private follow(): void {
    const subnets = this.network.ipv4Subnets();
    const landscape = JSON.stringify(subnets);
    if (landscape === this.landscape) return;
    const { primary, secondary } = this.options;
    const own = secondary === undefined ? [primary] : [primary, secondary];
    const links = new Map<number, Link>();
    for (const link of own.map((address) => this.linkOf(address, subnets))) links.set(link.ifindex, link);
    this.detach();
    this.configure(subnets, [...links.values()]);
    for (const ifindex of links.keys()) this.attachTo(ifindex);
    this.landscape = landscape;
  }

  private linkOf(address: Ipv4, subnets: readonly Ipv4Subnet[]): Link {
    const subnet = subnets.find((one) => one.address === address);
    const link = subnet === undefined ? undefined : this.wayOut.link(subnet.interface);
    if (link?.isEthernet !== true) throw new Error(`${formatIpv4(address)} is at no Ethernet interface`);
    return link;
  }

  private attachTo(ifindex: number): void {
    this.attachments.push(attach(this.program.fd, ifindex, 'ingress', FILTER_HANDLE | TEREDO_PORT));
  }

  private detach(): void {
    for (const attachment of this.attachments) attachment.close();
    this.attachments = [];
  }

  private configure(subnets: readonly Ipv4Subnet[], links: readonly Link[]): void {
    const { primary, secondary = 0, advertisement, answers, allowPrivate } = this.options;
    this.program.configure({
      primary,
      secondary,
      key: this.key,
      uplink: this.uplinkOf(subnets, links),
      local: localAddresses(subnets).filter((address) => address !== primary && address !== secondary),
      advertisement,
      checksumAt: ICMPV6_CHECKSUM,
      answers,
      allowPrivate,
      ttl: Number(readSysctl('net/ipv4/ip_default_ttl') ?? USUAL_TTL),
    });
  }

  /** What is forwarded leaves by the one way out that there is; where there may be several, user space asks for each. */
  private uplinkOf(subnets: readonly Ipv4Subnet[], links: readonly Link[]): number {
    const [link, ...others] = links;
    if (link === undefined || others.length > 0) return 0;
    const elsewhere = subnets.filter(
      ({ interface: name }) => this.wayOut.link(name)?.ifindex !== link.ifindex,
    );
    const inHouse = elsewhere.every(({ address }) => isPrivate(address) && !this.options.allowPrivate);
    return inHouse ? link.ifindex : 0;
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
