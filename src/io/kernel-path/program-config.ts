import { CONFIG, ROLE, UNIT_SHIFT } from '../../linux/bpf/layout.ts';
import { writeRecord } from '../../linux/bpf/records.ts';
import { readSysctl } from '../../linux/proc.ts';
import { countSystemFailure, isShortage } from '../../linux/system-failures.ts';
import type { Ipv6 } from '../../wire/index.ts';
import type { KernelPathOptions } from '../ports.ts';

/** Of datagrams, where the host says nothing else: Linux's default. */
const USUAL_TTL = 64;

/** What stays as long as the programs run. */
export interface FixedConfig extends Pick<KernelPathOptions, 'role'> {
  readonly port: number;
  /** Index of the tunnel's interface. */
  readonly tunnel: number;
  /** What tells the programs a proof by. */
  readonly mark: number;
}

/** What changes. */
export interface Config {
  /** The client's address; a relay has none. */
  readonly own: Ipv6 | undefined;
  /** Of the times of samples. */
  readonly stretch: number;
  /** After such a time a path in use is proven again. */
  readonly renewalMs: number;
}

/** The record by which the programs are configured. */
export class ProgramConfig {
  private readonly fd: number;
  private readonly fixed: FixedConfig;
  private ttl = USUAL_TTL;
  private latest: Config | undefined;

  /** `fd`: the map. */
  constructor(fd: number, fixed: FixedConfig) {
    this.fd = fd;
    this.fixed = fixed;
  }

  /** Whether the programs have this own address. */
  hasOwn(own: Ipv6 | undefined): boolean {
    if (this.latest === undefined) return false;
    const has = this.latest.own;
    return own === undefined ? has === undefined : has?.every((octet, i) => octet === own[i]) === true;
  }

  /** Throws a SystemCallError: the programs may then have what they had before. */
  set(config: Config): void {
    this.readTtl();
    this.latest = undefined;
    this.write(config);
    this.latest = config;
  }

  /** The kernel sends no message when the host's TTL has changed. Throws a SystemCallError. */
  followTtl(): void {
    const before = this.ttl;
    this.readTtl();
    if (this.ttl !== before && this.latest !== undefined) this.set(this.latest);
  }

  /** The programs carry nothing until the next {@link set}. Needs no descriptor. Throws a SystemCallError. */
  switchOff(): void {
    this.latest = undefined;
    writeRecord(this.fd, 0, CONFIG.SIZE, (view) => view.setUint8(CONFIG.role, ROLE.none));
  }

  private write({ own, stretch, renewalMs }: Config): void {
    const { role, port, tunnel, mark } = this.fixed;
    const on = role === 'relay' || own !== undefined;
    writeRecord(this.fd, 0, CONFIG.SIZE, (view, bytes) => {
      if (own !== undefined) bytes.set(own, CONFIG.own);
      view.setUint32(CONFIG.tunnel, tunnel, true);
      view.setUint32(CONFIG.stretch, stretch, true);
      view.setUint32(CONFIG.renewal, (renewalMs * 1e6) / 2 ** UNIT_SHIFT, true);
      view.setUint32(CONFIG.mark, mark, true);
      view.setUint16(CONFIG.port, port);
      view.setUint8(CONFIG.role, on ? ROLE[role] : ROLE.none);
      view.setUint8(CONFIG.ttl, this.ttl);
    });
  }

  /** As the socket's. Where it cannot be read now, it is as it was. */
  private readTtl(): void {
    try {
      this.ttl = Number(readSysctl('net/ipv4/ip_default_ttl') ?? USUAL_TTL);
    } catch (error) {
      if (!isShortage(error)) throw error;
      countSystemFailure(error);
    }
  }
}
