import type { Entropy } from '../../core/entropy.ts';
import { CONFIG, ROLE, UNIT_SHIFT } from '../../linux/bpf/layout.ts';
import type { Program } from '../../linux/bpf/program.ts';
import { writeRecord } from '../../linux/bpf/records.ts';
import { readSysctl } from '../../linux/proc.ts';
import { countSystemFailure, isShortage } from '../../linux/system-failures.ts';
import { readUint32 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { KernelPathOptions } from '../ports.ts';

/** The TTL of datagrams if the host sets no other: Linux's default. */
const USUAL_TTL = 64;
/**
 * With more peers the programs leave the socket fewer samples of each, down to a limit: samples may take only a part of the process's
 * time.
 */
const PEERS_WITHOUT_STRETCH = 25_000;
/** A path in use is proven again this long after its latest proof, and one such interval later for each further this many peers. */
const RENEWAL_MS = 10_000;
const PEERS_PER_RENEWAL = 5_000;
/**
 * The least time between two reports about a peer, and the number of peers for which it is that: so many reports in a second take about a fifth of the
 * process's time. With more peers the time is longer, up to a limit.
 */
const REPORT_MS = 1_000;
const PEERS_WITHOUT_DELAY = 125_000;
const REPORT_MOST_MS = 8_000;

/** The configuration of the programs. {@link write} hands it to them. */
export class ProgramConfig {
  private readonly fd: number;
  private readonly options: Pick<KernelPathOptions, 'role'>;
  private readonly tunnelIndex: number;
  private readonly mark: number;
  private renewalFactor = 1;
  private sampleFactor = 1;
  private reportMs = REPORT_MS;
  private ttl = USUAL_TTL;
  /** A client's own address; undefined: it has none. */
  private own: Ipv6 | undefined;
  /** The address of the first end of the pair in which segments are merged. */
  private pairAddress: readonly number[] = [];
  /** The programs carry nothing, whatever is written. */
  private isHeld = false;
  /** Whether the programs have all of this. */
  private isWritten = false;

  constructor(
    program: Program,
    options: Pick<KernelPathOptions, 'role'>,
    tunnelIndex: number,
    entropy: Entropy,
  ) {
    this.fd = program.map('config');
    this.options = options;
    this.tunnelIndex = tunnelIndex;
    this.mark = markFrom(entropy);
  }

  /** Factor of the times of samples. */
  get stretch(): number {
    return this.sampleFactor;
  }

  /** The time after which a path in use is proven again. */
  get renewalMs(): number {
    return RENEWAL_MS * this.renewalFactor;
  }

  /** Whether the programs have this own address. */
  hasOwn(address: Ipv6 | undefined): boolean {
    const { own } = this;
    if (!this.isWritten || own === undefined || address === undefined)
      return this.isWritten && own === address;
    return own.every((octet, i) => octet === address[i]);
  }

  /** The next {@link write} hands this own address to the programs. */
  setOwn(address: Ipv6 | undefined): void {
    this.own = address?.slice();
    this.isWritten = false;
  }

  /** The same for the address of the first end of the pair in which segments are merged. */
  setPair(address: readonly number[]): void {
    this.pairAddress = address;
    this.isWritten = false;
  }

  /** Adapts the times of samples, of renewed proofs and of reports to the number of peers. True if they change. */
  stretchFor(peers: number): boolean {
    const { sampleFactor, renewalFactor, reportMs } = this;
    const factorBy = (each: number): number => Math.max(1, Math.ceil(peers / each));
    this.sampleFactor = factorBy(PEERS_WITHOUT_STRETCH);
    this.renewalFactor = factorBy(PEERS_PER_RENEWAL);
    this.reportMs = Math.min(REPORT_MOST_MS, REPORT_MS * factorBy(PEERS_WITHOUT_DELAY));
    return (
      this.sampleFactor !== sampleFactor || this.renewalFactor !== renewalFactor || this.reportMs !== reportMs
    );
  }

  /** Throws a SystemCallError: the programs may then have their earlier configuration. */
  write(): void {
    this.readTtl();
    this.isWritten = false;
    const { role } = this.options;
    const on = !this.isHeld && (role === 'relay' || this.own !== undefined);
    writeRecord(this.fd, 0, CONFIG.SIZE, (view, bytes) => {
      if (this.own !== undefined) bytes.set(this.own, CONFIG.own);
      view.setUint32(CONFIG.tunnel, this.tunnelIndex, true);
      view.setUint32(CONFIG.stretch, this.stretch, true);
      view.setUint32(CONFIG.renewal, unitsIn(this.renewalMs), true);
      view.setUint32(CONFIG.reporting, unitsIn(this.reportMs), true);
      view.setUint32(CONFIG.mark, this.mark, true);
      view.setUint8(CONFIG.role, on ? ROLE[role] : ROLE.none);
      view.setUint8(CONFIG.ttl, this.ttl);
      bytes.set(this.pairAddress.slice(0, 4), CONFIG.pairAddress);
    });
    this.isWritten = true;
  }

  /** The kernel sends no message when the host's TTL changes. Throws a SystemCallError. */
  followTtl(): void {
    const before = this.ttl;
    this.readTtl();
    if (this.ttl !== before && this.isWritten) this.write();
  }

  /** The programs carry nothing until {@link release}. Needs no descriptor. Throws a SystemCallError. */
  hold(): void {
    this.isHeld = true;
    this.switchOff();
  }

  /** Writes. Throws a SystemCallError: the programs may then carry nothing. */
  release(): void {
    this.isHeld = false;
    this.write();
  }

  /** The programs carry nothing until the next {@link write}. Needs no descriptor. Throws a SystemCallError. */
  switchOff(): void {
    this.isWritten = false;
    writeRecord(this.fd, 0, CONFIG.SIZE, (view, bytes) => {
      // Packets that were unwrapped in a driver just before, or are in the pair, still get there.
      view.setUint32(CONFIG.tunnel, this.tunnelIndex, true);
      view.setUint8(CONFIG.role, ROLE.none);
      bytes.set(this.pairAddress.slice(0, 4), CONFIG.pairAddress);
    });
  }

  /** The TTL is the socket's. If it cannot be read now, the last one stays. */
  private readTtl(): void {
    try {
      this.ttl = Number(readSysctl('net/ipv4/ip_default_ttl') ?? USUAL_TTL);
    } catch (error) {
      if (!isShortage(error)) throw error;
      countSystemFailure(error);
    }
  }
}

function unitsIn(ms: number): number {
  return Math.floor((ms * 1e6) / 2 ** UNIT_SHIFT);
}

/** The number by which the programs recognise a proof: not 0, with the lowest bits free for the way. */
function markFrom(entropy: Entropy): number {
  const bytes = new Uint8Array(4);
  entropy.fill(bytes);
  return ((readUint32(bytes, 0) | 4) & ~3) >>> 0;
}
