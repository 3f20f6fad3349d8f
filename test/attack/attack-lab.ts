/** The lab of the attacks: an attacker and a victim on the backbone, and counters of the datagrams that each gets. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FairLimits } from '../../src/core/fair-budget.ts';
import type { BucketLimits } from '../../src/core/token-buckets.ts';
import { ping } from '../../src/lab/index.ts';
import type { Internet, Namespace, Running } from '../../src/lab/index.ts';
import {
  makeTeredoAddress,
  parseEndpoint,
  parseIpv4,
  parseIpv6,
  toHex,
  writeIpv6Header,
} from '../../src/wire/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { cutRuns } from '../support/links.ts';
import { preferRoles } from '../support/roles.ts';

preferRoles();

export const ATTACKER_ADDRESS = '192.0.2.66';
export const VICTIM_ADDRESS = '192.0.2.99';

export interface Order {
  /** One source address or several (all of this host, with a socket each), used in turn. */
  readonly from: string | readonly string[];
  readonly port?: number;
  readonly to: string | readonly string[];
  readonly toPort: number;
  readonly payloads: readonly Uint8Array[];
  readonly count?: number;
  readonly perSecond?: number;
  /** For each payload: offset and length of the part that is random in each datagram. */
  readonly vary?: readonly (readonly [number, number])[];
  /** The number of answers to wait for after the last datagram; default none. */
  readonly wanted?: number;
}

export interface Forged extends Omit<Order, 'port' | 'vary' | 'wanted'> {
  /** One source port or several, used in turn. */
  readonly port: number | readonly number[];
}

export interface Outcome {
  readonly sent: number;
  readonly failed: number;
  readonly seconds: number;
  readonly heard: number;
  readonly answers: readonly string[];
}

/** A host on the backbone. */
export function addHost(net: Internet, name: string, address: string): Namespace {
  const host = net.lab.host(name);
  net.attach(host, 'wan', address);
  cutRuns(net.backbone); // so that counters of packets count datagrams
  return host;
}

/** Sends the ordered datagrams from the host's own address; resolves when all are sent, and the wanted answers have come. */
export function send(host: Namespace, order: Order): Promise<Outcome> {
  return carryOut(host, process.execPath, 'udp.mjs', order);
}

/** The same with a forged IPv4 source. */
export function spoof(host: Namespace, order: Forged): Promise<Outcome> {
  return carryOut(host, 'python3', 'spoof.py', order);
}

async function carryOut(
  host: Namespace,
  program: string,
  script: string,
  order: Order | Forged,
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-attack-'));
  const file = join(folder, 'order.json');
  writeFileSync(
    file,
    JSON.stringify({ ...order, payloads: order.payloads.map((payload) => toHex(payload)) }),
  );
  const running = host.spawn(program, [fileURLToPath(new URL(`attacker/${script}`, import.meta.url)), file]);
  try {
    const [, outcome] = await running.waitFor(/^done (.*)$/m, 90_000);
    return JSON.parse(outcome!) as Outcome;
  } finally {
    await running.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Counts the UDP datagrams that arrive at a host, all or those that `match` (nftables); no program there receives them. */
export class ArrivalCounter {
  private readonly host: Namespace;

  constructor(host: Namespace, match = 'meta l4proto udp') {
    this.host = host;
    host.nft(`
      table inet watch {
        counter arrived { }
        chain arrivals {
          type filter hook prerouting priority -300; policy accept;
          ${match} counter name arrived drop
        }
      }`);
  }

  read(): { packets: number; bytes: number } {
    const text = this.host.execute('nft', 'list', 'counter', 'inet', 'watch', 'arrived');
    const [, packets, bytes] = /packets (\d+) bytes (\d+)/.exec(text)!;
    return { packets: Number(packets), bytes: Number(bytes) };
  }
}

/** The most that a budget permits in that time, whichever members the group has; plus a second, for datagrams on their way. */
export function mostWithin({ shared, reserve }: FairLimits, seconds: number): number {
  return shared.burst + reserve.burst + (shared.perSecond + reserve.perSecond) * (seconds + 1);
}

/** The most that a bucket permits in that time; plus a second, for datagrams on their way. */
export function within({ burst, perSecond }: BucketLimits, seconds: number): number {
  return burst + perSecond * (seconds + 1);
}

/** Resident memory of a program, in MB. */
export function memoryOf(program: Running): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))![1]) / 1024;
}

/** Ends a daemon. Returns how often its log says that a limit was reached, all lines together, and the address in the first of them. */
export async function endedWith(
  program: Running,
  limit: string,
): Promise<{ readonly times: number; readonly by: string; readonly lines: number }> {
  await program.stop();
  const pattern = new RegExp(
    `^\\S+ warning: limit ${limit} reached by (.+), ([\\d,]+) \\D+ within \\d+ s$`,
    'gm',
  );
  const lines = [...program.output.matchAll(pattern)];
  const times = lines.reduce((sum, [, , count]) => sum + Number(count!.replaceAll(',', '')), 0);
  return { times, by: lines[0]?.[1] ?? '', lines: lines.length };
}

/** An honest ping every 200 ms, and its results. */
export class HonestPing {
  private readonly running: Running;

  private constructor(running: Running) {
    this.running = running;
  }

  /** Resolves after the first answer. */
  static async start(from: Namespace, to: string): Promise<HonestPing> {
    await ping(from, to); // the address may exist before the route does
    const running = from.spawn('ping', ['-n', '-i', '0.2', to]);
    await running.waitFor(/time=/);
    return new HonestPing(running);
  }

  /** Ends the pings: the share of pings that were answered, and the longest time to an answer in ms. */
  async stop(): Promise<{ answered: number; slowestMs: number }> {
    this.running.kill('SIGINT');
    await this.running.exited;
    const times = [...this.running.output.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
    const [, sent] = /(\d+) packets transmitted/.exec(this.running.output)!;
    // The last answer may still be on its way.
    return { answered: times.length / Math.max(1, Number(sent) - 1), slowestMs: Math.max(...times) };
  }
}

export const v4 = (text: string): number => parseIpv4(text)!;
export const v6 = (text: string): Ipv6 => parseIpv6(text)!;

/** The Teredo address of a client of `server` that is mapped to `mapped` ("address:port"). */
export function teredo(server: string, mapped: string): Ipv6 {
  const { address, port } = parseEndpoint(mapped)!;
  return makeTeredoAddress({ server: v4(server), flags: 0, mappedAddress: address, mappedPort: port });
}

/** An IPv6 packet with that payload. */
export function ipv6(source: Ipv6, destination: Ipv6, nextHeader: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(40 + payload.length);
  writeIpv6Header(packet, 0, {
    payloadLength: payload.length,
    nextHeader,
    hopLimit: 64,
    source,
    destination,
  });
  packet.set(payload, 40);
  return packet;
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
