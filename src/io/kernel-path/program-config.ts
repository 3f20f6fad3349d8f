import type { Entropy } from '../../core/entropy.ts';
import { CONFIG, ROLE, UNIT_SHIFT } from '../../linux/bpf/layout.ts';
import type { Program } from '../../linux/bpf/program.ts';
import { writeRecord } from '../../linux/bpf/records.ts';
import { readSysctl } from '../../linux/proc.ts';
import { readUint32 } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { KernelPathOptions } from '../ports.ts';

/** The TTL of datagrams if the host sets no other: Linux's default. */
const USUAL_TTL = 64;
/**
 * With more peers the programs leave the socket fewer samples of each, down to a limit: samples shall take only a part of the process's
 * time.
 */
const PEERS_WITHOUT_STRETCH = 25_000;
/** A path in use is proven again this long after its latest proof, and one such interval later for each further this many peers. */
const RENEWAL_MS = 10_000;
const PEERS_PER_RENEWAL = 5_000;

/** The configuration of the programs. {@link write} hands it to them. */
export class ProgramConfig {
  private readonly program: Program;
  private readonly options: Pick<KernelPathOptions, 'role' | 'local'>;
  private readonly tunnelIndex: number;
  private readonly mark: number;
  private renewalFactor = 1;
  private sampleFactor = 1;
  /** A client's own address; undefined: it has none. */
  own: Ipv6 | undefined;

  constructor(
    program: Program,
    options: Pick<KernelPathOptions, 'role' | 'local'>,
    tunnelIndex: number,
    entropy: Entropy,
  ) {
    this.program = program;
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

  /** Adapts the times of samples and of renewed proofs to the number of peers. True if they change. */
  stretchFor(peers: number): boolean {
    const { sampleFactor, renewalFactor } = this;
    const factorBy = (each: number): number => Math.max(1, Math.ceil(peers / each));
    this.sampleFactor = factorBy(PEERS_WITHOUT_STRETCH);
    this.renewalFactor = factorBy(PEERS_PER_RENEWAL);
    return this.sampleFactor !== sampleFactor || this.renewalFactor !== renewalFactor;
  }

  write(): void {
    const { role, local } = this.options;
    const on = role === 'relay' || this.own !== undefined;
    writeRecord(this.program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
      if (this.own !== undefined) bytes.set(this.own, CONFIG.own);
      view.setUint32(CONFIG.tunnel, this.tunnelIndex, true);
      view.setUint32(CONFIG.stretch, this.stretch, true);
      view.setUint32(CONFIG.renewal, (this.renewalMs * 1e6) / 2 ** UNIT_SHIFT, true);
      view.setUint32(CONFIG.mark, this.mark, true);
      view.setUint16(CONFIG.port, local.port);
      view.setUint8(CONFIG.role, on ? ROLE[role] : ROLE.none);
      // The same as the socket's.
      view.setUint8(CONFIG.ttl, Number(readSysctl('net/ipv4/ip_default_ttl') ?? USUAL_TTL));
    });
  }
}

/** The number by which the programs recognise a proof: not 0, with the lowest bits free for the way. */
function markFrom(entropy: Entropy): number {
  const bytes = new Uint8Array(4);
  entropy.fill(bytes);
  return ((readUint32(bytes, 0) | 4) & ~3) >>> 0;
}
