import { AccessMap } from './access-map.ts';
import type { AccessVerdicts } from './access-map.ts';
import { SystemCallError } from '../errors.ts';
import { isShortage } from '../system-failures.ts';
import { LimitMap } from './limit-map.ts';
import type { ReachedLimit } from './limit-map.ts';
import { Program } from './program.ts';
import { writeRecord } from './records.ts';
import {
  ACCESS,
  BUDGET,
  BUDGETS,
  DRIVER_LINK,
  MAX_DRIVER_LINKS,
  MAX_NEAR,
  MAX_RANGES,
  MODE,
  RANGE,
  RATE,
  SERVER_CONFIG as CONFIG,
  SERVER_KERNEL_COUNTERS,
  TOKEN,
  UNITS_PER_SECOND,
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
  readonly driver?: DriverWork | undefined;
}

/** Where solicitations may be answered in the driver. */
export interface DriverWork {
  /** At most {@link MAX_DRIVER_LINKS}. */
  readonly links: readonly DriverLink[];
  /** Hosts that are reached without the gateway; at most {@link MAX_NEAR} ranges. Not used if forwarded datagrams may leave by several interfaces. */
  readonly near: readonly AddressRange[];
}

/** An interface with its Ethernet address, and that of the host to which datagrams go. Only frames from that host are answered there. */
export interface DriverLink {
  readonly ifindex: number;
  readonly address: Uint8Array;
  readonly gateway: Uint8Array;
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
/** Longer than any machine runs, in units of time. */
const NEVER = 1n << 62n;
const ANY_NUMBER = (1n << 64n) - 1n;
const NO_DRIVER: DriverWork = { links: [], near: [] };

/**
 * The server's programs, with the one for drivers where this kernel takes it. `withoutXdp`: why that one is not wanted. Throws as
 * {@link Program}.
 */
export function loadServerProgram(withoutXdp?: string): ServerProgram {
  if (withoutXdp !== undefined) return new ServerProgram(withoutXdp);
  try {
    return new ServerProgram();
  } catch (error) {
    if (!(error instanceof SystemCallError) || isShortage(error)) throw error;
    return new ServerProgram(`this kernel refuses the program (${error.code})`);
  }
}

/** The server's programs with their maps, not attached. Throws as {@link Program}. */
export class ServerProgram {
  /** Why the program for drivers (XDP) is not loaded; undefined: it is. */
  readonly withoutXdp: string | undefined;
  private readonly program: Program<'server'>;
  private readonly access: AccessMap;
  private readonly limits: LimitMap;

  constructor(withoutXdp?: string) {
    this.withoutXdp = withoutXdp;
    this.program = new Program('server', {}, {}, withoutXdp === undefined ? [] : ['serve_in_driver']);
    this.access = new AccessMap(this.program.map('access'));
    this.limits = new LimitMap(this.program.map('limit_hits'));
  }

  get fd(): number {
    return this.program.program('serve');
  }

  /** The program for drivers (XDP). Behind it the other one is needed. */
  get driverFd(): number {
    return this.program.program('serve_in_driver');
  }

  /** How many solicitations may be answered in drivers from now on; undefined: any number. At first 0. Throws a SystemCallError. */
  allowInDriver(answers: number | undefined): void {
    writeRecord(this.program.map('driver_answers'), 0, 8, (view) =>
      view.setBigUint64(0, answers === undefined ? ANY_NUMBER : BigInt(answers), true),
    );
  }

  /** `receivedDatagrams`: those that user space does not get. `solicitationsAnswered` includes those that are answered in a driver. */
  readCounters(): Record<(typeof SERVER_KERNEL_COUNTERS)[number] | 'receivedDatagrams', number> {
    const counters = this.program.readCounters(SERVER_KERNEL_COUNTERS);
    const all = Object.values(counters).reduce((sum, count) => sum + count, 0);
    return {
      ...counters,
      receivedDatagrams: all - counters.leftToSockets,
      solicitationsAnswered: counters.solicitationsAnswered + counters.answeredInDriver,
    };
  }

  /** Limits that were reached since the previous call. Throws a SystemCallError. */
  takeReachedLimits(): ReachedLimit[] {
    return this.limits.take();
  }

  /** Throws a SystemCallError. */
  configure(config: ServerConfig): void {
    const { advertisement, checksumAt, ranges, access, driver = NO_DRIVER } = config;
    if (ranges.length > MAX_RANGES) throw new Error(`more than ${MAX_RANGES} ranges of addresses`);
    if (driver.links.length > MAX_DRIVER_LINKS) throw new Error(`more than ${MAX_DRIVER_LINKS} drivers`);
    if (driver.near.length > MAX_NEAR) throw new Error(`more than ${MAX_NEAR} ranges of neighbours`);
    this.access.set(access);
    const byDefault = access.allowsOthers ? ACCESS.allow : ACCESS.deny;
    writeRecord(this.program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
      view.setUint32(CONFIG.primary, config.primary);
      view.setUint32(CONFIG.secondary, config.secondary);
      view.setUint32(CONFIG.announced, config.announced);
      bytes.set(config.key, CONFIG.key0);
      view.setUint32(CONFIG.uplink, config.uplink, true);
      view.setUint32(CONFIG.sampleMs, config.sampleMs, true);
      view.setUint16(CONFIG.rangeCount, ranges.length, true);
      view.setUint16(CONFIG.nearCount, driver.near.length, true);
      for (const [i, range] of ranges.entries()) writeRange(view, CONFIG.ranges + RANGE.SIZE * i, range);
      for (const [i, range] of driver.near.entries()) writeRange(view, CONFIG.near + RANGE.SIZE * i, range);
      for (const [i, { ifindex, address, gateway }] of driver.links.entries()) {
        const at = CONFIG.links + DRIVER_LINK.SIZE * i;
        view.setUint32(at + DRIVER_LINK.ifindex, ifindex, true);
        bytes.set(address, at + DRIVER_LINK.address);
        bytes.set(gateway, at + DRIVER_LINK.gateway);
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
        Math.min(tokens, MOST_TOKENS),
      ) as [number, number];
      writeRecord(this.program.map('budgets'), BUDGETS[name], BUDGET.SIZE, (view) => {
        view.setBigUint64(BUDGET.burst, BigInt(Math.floor(most * TOKEN)), true);
        view.setBigUint64(BUDGET.perUnit, BigInt(Math.floor((rate * TOKEN * RATE) / UNITS_PER_SECOND)), true);
        const fill = rate === 0 ? NEVER : BigInt(Math.ceil((most / rate) * UNITS_PER_SECOND));
        view.setBigUint64(BUDGET.fill, fill, true);
      });
    }
  }

  /** Harmless when repeated. */
  close(): void {
    this.program.close();
  }
}

function writeRange(view: DataView, at: number, { address, prefixLength }: AddressRange): void {
  const mask = prefixLength === 0 ? 0 : (-1 << (32 - prefixLength)) >>> 0;
  view.setUint32(at + RANGE.address, (address & mask) >>> 0);
  view.setUint32(at + RANGE.mask, mask);
}
