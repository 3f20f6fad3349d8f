/** The server's BPF program and its machine: both get the same datagrams. */
import { expect } from 'vitest';
import type { AccessList } from '../../src/core/access-list.ts';
import { AddressPolicy } from '../../src/core/address-policy.ts';
import { ServerMachine } from '../../src/core/server/index.ts';
import type { ServerLimits } from '../../src/core/server/index.ts';
import { ServerProgram } from '../../src/linux/bpf/server-program.ts';
import type { AddressRange, ServerConfig } from '../../src/linux/bpf/server-program.ts';
import { DRIVER_VERDICT, TestRuns, VERDICT } from '../../src/linux/bpf/test-run.ts';
import type { TestRun } from '../../src/linux/bpf/test-run.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import {
  ICMPV6_CHECKSUM,
  TEREDO_PORT,
  foldSum,
  formatEndpoint,
  internetChecksum,
  writeUint16,
  writeUint32,
} from '../../src/wire/index.ts';
import type { Endpoint, Ipv4 } from '../../src/wire/index.ts';
import { access } from './access.ts';
import { MAPPED, PRIMARY, SECONDARY, v4 } from './client-rig.ts';
import { MachineRig } from './machine-rig.ts';
import { bytesOf } from './vectors.ts';

export const ETHERNET = 14;
/** IPv4 header and UDP header. */
export const WRAPPING = 28;
/** Other addresses of the host in the rig, and the broadcast address of its subnet. */
const OTHERS: readonly AddressRange[] = [
  { address: v4('203.0.113.122'), prefixLength: 32 },
  { address: v4('203.0.113.255'), prefixLength: 32 },
];

/** The outer headers of a test's datagram. */
export interface Outer {
  readonly from?: Endpoint;
  readonly to?: Endpoint;
  readonly toPort?: number;
  readonly tos?: number;
  readonly fragment?: number;
  readonly options?: boolean;
  readonly header?: 'right' | 'wrong';
  readonly checksum?: 'right' | 'wrong' | 'unfinished' | 'none';
}

export interface ServerRigOptions {
  readonly secondary?: boolean;
  readonly allowPrivate?: boolean;
  readonly mtu?: boolean;
  /** The public addresses to which a 1:1 NAT translates the two addresses. */
  readonly announced?: { readonly primary: Ipv4; readonly secondary: Ipv4 } | undefined;
}

/** The interface of a test run, in an otherwise empty network: `lo`. */
const LO = 1;
const NO_ADDRESS = new Uint8Array(6);

/**
 * The program on an Ethernet interface, and the machine for comparison. A second one, with limits of its own, gets the same datagrams first by its
 * program for drivers: both decide alike, with the same octets.
 */
export class ServerProgramRig {
  readonly program = new ServerProgram();
  readonly inDriver = new ServerProgram();
  /** False where the two could decide differently: limits that depend on the moment. */
  compares = true;
  readonly machine: MachineRig<ServerMachine>;
  private readonly runs = new TestRuns(this.program.fd, 2_000);
  private readonly driverRuns = new TestRuns(this.inDriver.driverFd, 2_000);
  private readonly runsBehind = new TestRuns(this.inDriver.fd, 2_000);
  private list = access();
  private readonly options: ServerRigOptions & Required<Omit<ServerRigOptions, 'announced'>>;

  constructor(options: ServerRigOptions = {}) {
    this.options = {
      secondary: true,
      allowPrivate: false,
      mtu: true,
      ...options,
    };
    const { secondary, allowPrivate, mtu, announced } = this.options;
    const subnets = [{ address: v4('203.0.113.122'), prefixLength: 24 }];
    const policy = new AddressPolicy({ subnets, allowPrivate });
    this.machine = new MachineRig(
      new ServerMachine(
        {
          primary: announced?.primary ?? PRIMARY.address,
          ...(secondary ? { secondary: announced?.secondary ?? SECONDARY.address } : {}),
          ...(announced === undefined ? {} : { local: [PRIMARY.address, SECONDARY.address] }),
          mtu,
          policy,
        },
        new SeededEntropy(1),
      ),
    );
    this.configure();
    this.setBudgets();
    this.liveUntil(1n << 62n);
    this.inDriver.allowInDriver(undefined);
  }

  liveUntil(ns: bigint): void {
    for (const program of [this.program, this.inDriver]) program.liveUntil(ns);
  }

  configure(more: Partial<ServerConfig> = {}): void {
    const config: ServerConfig = {
      primary: PRIMARY.address,
      secondary: this.options.secondary ? SECONDARY.address : 0,
      announced: this.options.announced?.primary ?? PRIMARY.address,
      key: bytesOf('0102030405060708'),
      uplink: 1,
      sampleMs: 0,
      ranges: [
        ...OTHERS,
        ...Object.values(this.options.announced ?? {}).map((address) => ({ address, prefixLength: 32 })),
      ],
      advertisement: this.machine.machine.advertisement,
      checksumAt: ICMPV6_CHECKSUM,
      answers: true,
      allowPrivate: this.options.allowPrivate,
      ttl: 64,
      mode: 'work',
      anySource: true,
      access: this.list,
      driver: { links: [{ ifindex: LO, address: NO_ADDRESS, gateway: NO_ADDRESS }], near: [] },
      ...more,
    };
    for (const program of [this.program, this.inDriver]) program.configure(config);
  }

  /** Sets the access list of the program and the machine. */
  setAccess(list: AccessList): void {
    this.list = list;
    this.configure();
    this.machine.machine.setAccess(list);
  }

  setBudgets(more: Partial<ServerLimits> = {}): void {
    const plenty = { perSecond: 1e6, burst: 1e6 };
    const fair = { shared: plenty, member: plenty, reserve: plenty };
    const { answers = fair, forwarded = fair, forwardedByPair = fair } = more;
    const budgets = {
      answersShared: answers.shared,
      answersMember: answers.member,
      answersReserve: answers.reserve,
      forwardedShared: forwarded.shared,
      forwardedMember: forwarded.member,
      forwardedReserve: forwarded.reserve,
      forwardedByPairShared: forwardedByPair.shared,
      forwardedByPairMember: forwardedByPair.member,
      forwardedByPairReserve: forwardedByPair.reserve,
    };
    for (const program of [this.program, this.inDriver]) program.setBudgets(budgets);
  }

  /** The verdict of the program; fails if the machine decides differently. */
  both(payload: Uint8Array, outer: Outer = {}): 'decided' | 'left' | 'denied' {
    const { from = MAPPED, to = PRIMARY } = outer;
    const frame = this.wrap(payload, outer);
    const { verdict, frame: after } = this.run(frame);
    if (verdict === VERDICT.goOn) {
      expect(after).toEqual(frame);
      return 'left';
    }
    const { droppedDenied } = this.machine.machine.counters;
    this.machine.now += 60_000; // so that no limit of the machine is reached
    this.machine.clear();
    this.machine.receive(from, payload, to === SECONDARY ? 1 : 0);
    if (this.machine.machine.counters.droppedDenied > droppedDenied) {
      expect([verdict, this.machine.sent]).toEqual([VERDICT.dropped, []]);
      return 'denied';
    }
    expect(verdict).toBe(VERDICT.carried);
    const [sent] = this.machine.sent;
    expect(this.machine.sent).toHaveLength(1);
    const source = sent!.socket === 1 ? SECONDARY : PRIMARY;
    const got = unwrap(after);
    expect(got.from).toBe(formatEndpoint({ address: source.address, port: TEREDO_PORT }));
    expect(got.to).toBe(formatEndpoint({ address: sent!.address, port: sent!.port }));
    expect(got.payload).toEqual(sent!.bytes);
    return 'decided';
  }

  run(frame: Uint8Array): TestRun {
    const result = this.runs.run(frame);
    if (this.compares) expectEqual(this.runInDriver(frame), result);
    return result;
  }

  /** First by the program for drivers, then by the one behind it if that passes the frame on. */
  runInDriver(frame: Uint8Array): TestRun {
    const { verdict, frame: after } = this.driverRuns.run(frame);
    if (verdict === DRIVER_VERDICT.carried) return { verdict: VERDICT.carried, frame: after };
    if (verdict === DRIVER_VERDICT.dropped) return { verdict: VERDICT.dropped, frame };
    expectEqual({ verdict, frame: after }, { verdict: DRIVER_VERDICT.goOn, frame });
    return this.runsBehind.run(frame);
  }

  wrap(
    payload: Uint8Array,
    { from = MAPPED, to = PRIMARY, checksum = 'right', ...outer }: Outer = {},
  ): Uint8Array {
    const options = outer.options === true ? 4 : 0;
    const b = new Uint8Array(WRAPPING + options + payload.length);
    b[0] = 0x45 + options / 4;
    b[1] = outer.tos ?? 0;
    writeUint16(b, 2, b.length);
    writeUint16(b, 6, outer.fragment ?? 0);
    b.set([64, 17], 8);
    writeUint32(b, 12, from.address);
    writeUint32(b, 16, to.address);
    writeUint16(b, 10, internetChecksum(b, 0, 20 + options) ^ (outer.header === 'wrong' ? 0x0101 : 0));
    const udp = 20 + options;
    writeUint16(b, udp, from.port);
    writeUint16(b, udp + 2, outer.toPort ?? TEREDO_PORT);
    writeUint16(b, udp + 4, 8 + payload.length);
    b.set(payload, udp + 8);
    const pseudo = pseudoSum(b, udp);
    const right = internetChecksum(b, udp, b.length, pseudo) || 0xffff;
    const field = { right, wrong: right ^ 0x0101, unfinished: foldSum(pseudo), none: 0 }[checksum];
    writeUint16(b, udp + 6, field);
    return Uint8Array.of(...new Uint8Array(12), 8, 0, ...b);
  }

  close(): void {
    this.program.close();
    this.inDriver.close();
  }
}

/** As `toEqual`, in a hundredth of the time where they are equal. IPv4 identifications may differ. */
function expectEqual(got: TestRun, wanted: TestRun): void {
  const [one, other] = [withoutIdentification(got.frame), withoutIdentification(wanted.frame)];
  if (got.verdict !== wanted.verdict || Buffer.compare(one, other) !== 0)
    expect({ ...got, frame: one }).toEqual({ ...wanted, frame: other });
}

/** A frame with the sum of identification and header checksum in place of both: that is the same for right headers that are else the same. */
function withoutIdentification(frame: Uint8Array): Uint8Array {
  if (frame.length < ETHERNET + 20) return frame;
  const copy = frame.slice();
  const view = new DataView(copy.buffer);
  const [id, checksum] = [ETHERNET + 4, ETHERNET + 10];
  const sum = foldSum(view.getUint16(id) + view.getUint16(checksum));
  view.setUint16(id, sum === 0xffff ? 0 : sum);
  view.setUint16(checksum, 0);
  return copy;
}

/** Unwraps an outgoing frame. Its headers have to be those of a server's datagram, and its checksums correct. */
export function unwrap(frame: Uint8Array): { from: string; to: string; payload: Uint8Array } {
  const b = frame.slice(ETHERNET);
  const view = new DataView(b.buffer);
  // version and length, TOS and ECN, length, fragment and DF, TTL, protocol: C-23, N-1, N-6
  expect([b[0], b[1], view.getUint16(2), view.getUint16(6), b[8], b[9]]).toEqual([
    0x45,
    0,
    b.length,
    0,
    64,
    17,
  ]);
  expect(internetChecksum(b, 0, 20)).toBe(0);
  expect(view.getUint16(24)).toBe(b.length - 20);
  expect(view.getUint16(26)).not.toBe(0);
  expect(internetChecksum(b, 20, b.length, pseudoSum(b, 20))).toBe(0);
  return {
    from: formatEndpoint({ address: view.getUint32(12), port: view.getUint16(20) }),
    to: formatEndpoint({ address: view.getUint32(16), port: view.getUint16(22) }),
    payload: b.slice(WRAPPING),
  };
}

/** The sum of the pseudo-header of the datagram whose UDP header is at an offset. */
export function pseudoSum(b: Uint8Array, udp: number): number {
  const view = new DataView(b.buffer, b.byteOffset);
  return [12, 14, 16, 18].reduce((sum, o) => sum + view.getUint16(o), 17 + view.getUint16(udp + 4));
}
