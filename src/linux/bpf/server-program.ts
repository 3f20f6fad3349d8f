import { AccessMap } from './access-map.ts';
import type { AccessVerdicts } from './access-map.ts';
import { LimitMap } from './limit-map.ts';
import type { ReachedLimit } from './limit-map.ts';
import { Program } from './program.ts';
import { writeRecord } from './records.ts';
import {
  ACCESS,
  BUDGET,
  BUDGETS,
  MAX_RANGES,
  MODE,
  RANGE,
  SERVER_CONFIG as CONFIG,
  SERVER_KERNEL_COUNTERS,
  TOKEN,
} from './server-layout.ts';

/** Configuration of the program; addresses as numbers. */
export interface ServerConfig {
  readonly primary: number;
  /** 0: none. */
  readonly secondary: number;
  /** The primary address as clients know it. */
  readonly announced: number;
  /** Seed of the hash that chooses token buckets, 8 octets. */
  readonly key: Uint8Array;
  /** Index of the interface by which forwarded datagrams leave; 0: bubbles are left to user space. */
  readonly uplink: number;
  /** The program leaves one datagram to the sockets after each such time of deciding, in milliseconds; 0: it leaves none. */
  readonly sampleMs: number;
  /** Datagrams from and to these ranges are left to user space; at most {@link MAX_RANGES}. */
  readonly ranges: readonly AddressRange[];
  /** The answer to solicitations: an IPv6 packet with a destination of zeros, and the checksum that is right for them. */
  readonly advertisement: Uint8Array;
  /** Offset of its checksum. */
  readonly checksumAt: number;
  /** Whether solicitations are answered. */
  readonly answers: boolean;
  readonly allowPrivate: boolean;
  readonly ttl: number;
  readonly access: AccessVerdicts;
  readonly mode: keyof typeof MODE;
  /** Whether the route out of this host does not depend on the source address. */
  readonly anySource: boolean;
}

/** IPv4 addresses that begin with the same bits. */
export interface AddressRange {
  readonly address: number;
  readonly prefixLength: number;
}

export interface Budget {
  readonly perSecond: number;
  readonly burst: number;
}

/** Stands for no limit: more tokens than any address can use, and few enough that the program's sums stay within 64 bits. */
const MOST_TOKENS = 10_000_000;
/** Address 0, which no host has. */
const NO_RANGE: AddressRange = { address: 0, prefixLength: 32 };
/** Longer than any machine runs, in nanoseconds. */
const NEVER = 1n << 62n;

/** The server's program with its maps, not attached. Throws as {@link Program}. */
export class ServerProgram {
  private readonly program = new Program('server', {});
  private readonly access = new AccessMap(this.program.map('access'));
  private readonly limits = new LimitMap(this.program.map('limit_hits'));

  get fd(): number {
    return this.program.program('serve');
  }

  readCounters(): Record<(typeof SERVER_KERNEL_COUNTERS)[number], number> {
    return this.program.readCounters(SERVER_KERNEL_COUNTERS);
  }

  /** Limits that were reached since the previous call. Throws a SystemCallError. */
  takeReachedLimits(): ReachedLimit[] {
    return this.limits.take();
  }

  /** Throws a SystemCallError. */
  configure(config: ServerConfig): void {
    const { advertisement, checksumAt, ranges, access } = config;
    if (ranges.length > MAX_RANGES) throw new Error(`more than ${MAX_RANGES} ranges of addresses`);
    this.access.set(access);
    const byDefault = access.allowsOthers ? ACCESS.allow : ACCESS.deny;
    writeRecord(this.program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
      view.setUint32(CONFIG.primary, config.primary);
      view.setUint32(CONFIG.secondary, config.secondary);
      view.setUint32(CONFIG.announced, config.announced);
      bytes.set(config.key, CONFIG.key0);
      view.setUint32(CONFIG.uplink, config.uplink, true);
      view.setUint32(CONFIG.sampleMs, config.sampleMs, true);
      for (let i = 0; i < MAX_RANGES; i++) {
        const at = CONFIG.ranges + RANGE.SIZE * i;
        const { address, prefixLength } = ranges[i] ?? NO_RANGE;
        const mask = prefixLength === 0 ? 0 : (-1 << (32 - prefixLength)) >>> 0;
        view.setUint32(at + RANGE.address, (address & mask) >>> 0);
        view.setUint32(at + RANGE.mask, mask);
      }
      view.setUint16(CONFIG.advertisementLength, advertisement.length, true);
      // The sum of the answer without the destination: the complement of its checksum with a destination of zeros.
      for (let i = 0; i < 2; i++) bytes[CONFIG.advertisementSum + i] = advertisement[checksumAt + i]! ^ 0xff;
      view.setUint8(CONFIG.answers, Number(config.answers));
      view.setUint8(CONFIG.allowPrivate, Number(config.allowPrivate));
      view.setUint8(CONFIG.ttl, config.ttl);
      view.setUint8(CONFIG.access, access.isOpen ? ACCESS.none : byDefault);
      view.setUint8(CONFIG.mode, MODE[config.mode]);
      view.setUint8(CONFIG.anySource, Number(config.anySource));
      bytes.set(advertisement, CONFIG.advertisement);
    });
  }

  /** The program decides nothing until it is configured again. Throws a SystemCallError. */
  switchOff(): void {
    writeRecord(this.program.map('config'), 0, CONFIG.SIZE, (view) => view.setUint8(CONFIG.mode, MODE.off));
  }

  /** Sets the time after which the program decides nothing any more: nanoseconds of CLOCK_MONOTONIC. */
  liveUntil(ns: bigint): void {
    writeRecord(this.program.map('alive_until'), 0, 8, (view) => view.setBigUint64(0, ns, true));
  }

  setBudgets(budgets: Readonly<Record<keyof typeof BUDGETS, Budget>>): void {
    for (const name of Object.keys(BUDGETS) as (keyof typeof BUDGETS)[]) {
      const [rate, most] = [budgets[name].perSecond, budgets[name].burst].map((tokens) =>
        Math.round(Math.min(tokens, MOST_TOKENS) * TOKEN),
      ) as [number, number];
      writeRecord(this.program.map('budgets'), BUDGETS[name], BUDGET.SIZE, (view) => {
        view.setBigUint64(BUDGET.burst, BigInt(most), true);
        view.setBigUint64(BUDGET.perSecond, BigInt(rate), true);
        view.setBigUint64(BUDGET.fillNs, rate === 0 ? NEVER : BigInt(Math.ceil((most / rate) * 1e9)), true);
      });
    }
  }

  /** Harmless when repeated. */
  close(): void {
    this.program.close();
  }
}
