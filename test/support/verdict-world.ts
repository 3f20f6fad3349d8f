import { Carrier } from '../../src/core/offload/carrier.ts';
import type { OuterWay } from '../../src/core/offload/carrier.ts';
import type { CommandExecutor } from '../../src/core/commands.ts';
import { HEADROOM } from '../../src/core/machine.ts';
import type { MachineEvent } from '../../src/core/events.ts';
import type { OffloadingMachine, SocketId } from '../../src/core/machine.ts';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import type { SeededEntropy } from '../../src/sim/index.ts';
import {
  formatEndpoint,
  icmpv6Type,
  internetChecksum,
  isBubble,
  nextHeader,
  readUint16,
  readUint32,
  toHex,
} from '../../src/wire/index.ts';
import type { Endpoint, Ipv6, Ipv6Prefix } from '../../src/wire/index.ts';
import { hostReceives, udpSeed } from './host-receive.ts';
import { CarryingPrograms, ETHERNET, monotonic } from './carrying-programs.ts';
import { PAYLOAD, RandomFrames } from './random-frames.ts';
import type { Cast } from './random-frames.ts';

const MOST = 4_096;
const WRAPPING = 28;

/** A trusted peer of a machine whose packets may be carried. */
export interface CarriedPeer {
  readonly address: Ipv6;
  readonly mapped: Endpoint;
  readonly socket: SocketId;
  readonly lastReceived: number;
}

/** One machine with its environment and its own clock. */
export interface Subject {
  readonly role: 'client' | 'relay';
  readonly machine: OffloadingMachine;
  readonly cast: Cast;
  /** The machine's time, ms. */
  readonly now: number;
  /** The local ports of its open sockets. */
  readonly ports: ReadonlyMap<SocketId, number>;
  /** A client's address, and the prefixes that a relay serves. */
  readonly own: Ipv6 | undefined;
  readonly serve: readonly Ipv6Prefix[];
  /** Lets time pass, and brings the machine into a random state with peers of all kinds. */
  begin(random: SeededEntropy, milliseconds: number): void;
  carriedPeers(): Iterable<CarriedPeer>;
  /** The machine wants a socket, or no longer: afterwards it is among `ports`, or not. */
  event(event: MachineEvent): void;
}

/**
 * Gives the same frames to a real machine (after the checks of a host's stack), to the kernel's programs, which know exactly the peers
 * that this machine has offered, and to the model of the programs. Time passes in {@link begin} only.
 */
export class VerdictWorld implements CommandExecutor {
  /** Frames by the program's verdict. */
  readonly verdicts = { carried: 0, dropped: 0, left: 0 };
  /** Of those that are carried: at, or from, a socket for a single peer. */
  carriedByOtherSockets = 0;
  private subject!: Subject;
  private readonly programs: CarryingPrograms;
  private carrier!: Carrier;
  private readonly frame: Buffer;
  private readonly left: Buffer;
  private frames!: RandomFrames;
  private readonly random: SeededEntropy;
  /** The input of the machine, and that of the model. */
  private readonly input = Buffer.alloc(HEADROOM + MOST);
  private readonly copy = Buffer.alloc(MOST);
  /** The difference of the machine's clock to the kernel's, ms. */
  private ahead = 0;
  private now = 0;
  /** Samples that the programs have left, as far as the model agreed. */
  private samples = 0;

  /** The machine's reaction to the last frame. */
  private delivered = 0;
  private deliveredStart = 0;
  private deliveredEnd = 0;
  private transmitted = 0;
  private sent: Uint8Array | undefined;
  private sentStart = 0;
  private sentEnd = 0;
  private sentTo = { address: 0, port: 0, socket: 0 };
  private others = 0;

  constructor(subject: Subject, random: SeededEntropy) {
    this.random = random;
    this.programs = new CarryingPrograms(subject.cast.local, false, true);
    const { frame, left } = this.programs.bench;
    this.frame = Buffer.from(frame.buffer);
    this.left = Buffer.from(left.buffer);
    this.renew(subject);
  }

  /** Sets another machine, without peers. */
  renew(subject: Subject): void {
    this.subject = subject;
    this.ahead = subject.now - monotonic();
    this.carrier = new Carrier(subject.role);
    this.frames = new RandomFrames(this.programs.bench.frame, this.random, subject.cast);
  }

  /** Frames that the driver's program has unwrapped. */
  get unwrapped(): number {
    return this.programs.unwrapped;
  }

  get counters(): CarryingPrograms['counters'] {
    return this.programs.counters;
  }

  /** Lets this time pass; after that machine, programs and model know the same peers. */
  begin(milliseconds: number): void {
    const { subject, carrier } = this;
    subject.begin(this.random, Math.max(0, monotonic() + this.ahead - subject.now) + milliseconds);
    this.ahead = subject.now - monotonic();
    this.now = subject.now;
    this.programs.configure(subject);
    carrier.setOwn(subject.own);
    carrier.setServed(subject.serve);
    carrier.clear();
    carrier.takeReports();
    for (const { address, mapped, lastReceived, socket } of subject.carriedPeers())
      this.offload(address, 0, mapped.address, mapped.port, lastReceived, socket);
  }

  /** Tries one inbound frame; returns the error in the verdicts, if any. */
  in(): string | undefined {
    const { subject, frame } = this;
    const length = this.frames.incoming();
    this.forget();
    const samples = samplesIn(this.carrier.counters);
    const { local } = subject.cast;
    let modelled: string | undefined;
    for (const [socket, localPort] of subject.ports) {
      const received = hostReceives(frame, length, local.address, localPort);
      if (received === undefined) continue;
      const { start, end, address, port, tos } = received;
      const size = end - start;
      frame.copy(this.input, HEADROOM, start, end);
      subject.machine.handleDatagram(
        socket,
        this.input,
        HEADROOM,
        HEADROOM + size,
        address,
        port,
        this.now,
        tos,
      );
      if (start === PAYLOAD && end === length && isForHost(frame)) {
        frame.copy(this.copy, 0, start, end);
        modelled = this.carrier.carryIn(this.copy, 0, size, { address, port, tos, socket }, this.now);
        break;
      }
    }
    const verdict = this.programs.runIn(length);
    subject.machine.commands.drain(this);
    return this.explain('in', length, this.judgeIn(verdict, length, modelled), samples);
  }

  /** Tries one outbound frame; returns the error in the verdicts, if any. */
  out(): string | undefined {
    const { subject, frame } = this;
    const length = this.frames.outgoing();
    this.forget();
    const samples = samplesIn(this.carrier.counters);
    let modelled: OuterWay | undefined;
    if (readUint16(frame, ETHERNET - 2) === 0x86dd) {
      const size = length - ETHERNET;
      frame.copy(this.input, HEADROOM, ETHERNET, length);
      subject.machine.handlePacket(this.input, HEADROOM, HEADROOM + size, this.now);
      modelled = this.carrier.carryOut(frame, ETHERNET, length, this.now);
    }
    const verdict = this.programs.runOut(length);
    subject.machine.commands.drain(this);
    return this.explain('out', length, this.judgeOut(verdict, length, modelled), samples);
  }

  close(): void {
    this.programs.close();
  }

  transmit(
    socket: number,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void {
    if (buffer !== this.input) {
      this.others += isQuestion(buffer, start) ? 0 : 1;
      return;
    }
    this.transmitted++;
    [this.sent, this.sentStart, this.sentEnd] = [buffer, start, end];
    this.sentTo = { address, port, socket };
  }

  deliver(buffer: Uint8Array, start: number, end: number): void {
    if (buffer !== this.input) return; // an ICMPv6 error to the host
    this.delivered++;
    [this.deliveredStart, this.deliveredEnd] = [start, end];
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    heardAt: number,
    socket: SocketId,
  ): void {
    const localPort = this.subject.ports.get(socket)!;
    this.programs.ownPorts.add(localPort);
    this.programs.put(buffer, offset, { address, port }, heardAt - this.ahead, localPort);
    this.carrier.offload(buffer, offset, { address, port, socket }, heardAt, this.now);
  }

  unload(buffer: Uint8Array, offset: number): void {
    this.programs.take(buffer, offset);
    this.carrier.unload(buffer, offset);
  }

  event(event: MachineEvent): void {
    const port = event.type === 'socket-unwanted' ? this.subject.ports.get(event.socket) : undefined;
    if (port !== undefined) this.programs.ownPorts.remove(port);
    this.subject.event(event);
  }

  private forget(): void {
    this.delivered = this.transmitted = this.others = 0;
  }

  private judgeIn(verdict: number, length: number, modelled: string | undefined): string | undefined {
    const { frame, left, verdicts } = this;
    const { leftLength } = this.programs.bench;
    if (verdict === VERDICT.carried) {
      verdicts.carried++;
      if (readUint16(frame, ETHERNET + 22) !== this.subject.cast.local.port) this.carriedByOtherSockets++;
      if (this.delivered !== 1) return `carried, and the machine delivers ${this.delivered}`;
      const { input, deliveredStart, deliveredEnd } = this;
      if (left.compare(input, deliveredStart, deliveredEnd, ETHERNET, leftLength) !== 0)
        return 'carried with other octets than the machine delivers';
      if (
        modelled === 'carried' &&
        left.compare(this.copy, 0, leftLength - ETHERNET, ETHERNET, leftLength) !== 0
      )
        return 'carried with other octets than the model does';
      return modelled === 'carried' ? undefined : `carried, ${modelled} by the model`;
    }
    if (verdict === VERDICT.dropped) {
      verdicts.dropped++;
      if (this.delivered !== 0) return 'dropped, and the machine delivers it';
      return modelled === 'dropped' ? undefined : `dropped, ${modelled} by the model`;
    }
    verdicts.left++;
    if (verdict !== VERDICT.goOn) return `verdict ${verdict}`;
    if (leftLength !== length || left.compare(frame, 0, length, 0, length) !== 0) return 'left, but changed';
    return modelled === undefined || modelled === 'left' ? undefined : `left, ${modelled} by the model`;
  }

  private judgeOut(verdict: number, length: number, modelled: OuterWay | undefined): string | undefined {
    const { frame, left, verdicts } = this;
    const { leftLength } = this.programs.bench;
    if (verdict === VERDICT.goOn) {
      verdicts.left++;
      if (leftLength !== length || left.compare(frame, 0, length, 0, length) !== 0)
        return 'left, but changed';
      return modelled === undefined ? undefined : 'left, carried by the model';
    }
    if (verdict !== VERDICT.carried) return `verdict ${verdict}`;
    verdicts.carried++;
    if (this.transmitted !== 1 || this.others !== 0)
      return `carried, and the machine sends ${this.transmitted} and ${this.others} others`;
    const to = { address: readUint32(left, ETHERNET + 16), port: readUint16(left, ETHERNET + 22) };
    const { address } = this.subject.cast.local;
    const port = this.subject.ports.get(this.sentTo.socket)!;
    if (this.sentTo.socket !== 0) this.carriedByOtherSockets++;
    const wrong = wrongHeaders(left, leftLength, { address, port });
    if (wrong !== undefined) return wrong;
    if (to.address !== this.sentTo.address || to.port !== this.sentTo.port)
      return `carried to ${formatEndpoint(to)}, and sent to ${formatEndpoint(this.sentTo)}`;
    const { sentStart, sentEnd } = this;
    if (left.compare(this.sent!, sentStart, sentEnd, ETHERNET + WRAPPING, leftLength) !== 0)
      return 'carried with other octets than the machine sends';
    return modelled !== undefined &&
      modelled.address === to.address &&
      modelled.port === to.port &&
      modelled.socket === this.sentTo.socket
      ? undefined
      : 'carried, left or sent elsewhere by the model';
  }

  /** Program and model decide by their own clocks whether a sample is due. These differ by milliseconds; a difference from that is no error. */
  private explain(
    way: 'in' | 'out',
    length: number,
    what: string | undefined,
    samplesBefore: number,
  ): string | undefined {
    const isModelsSample = samplesIn(this.carrier.counters) !== samplesBefore;
    if (what === undefined) {
      if (isModelsSample) this.samples++;
      return undefined;
    }
    if (what.endsWith('by the model')) {
      if (isModelsSample) return undefined;
      const samples = samplesIn(this.programs.counters);
      if (samples > this.samples) {
        this.samples = samples;
        return undefined;
      }
    }
    return `${way}: ${what}: ${toHex(this.frame, 0, length)}`;
  }
}

function samplesIn({ inSample, inUnseen, outSample }: Readonly<Record<string, number>>): number {
  return inSample! + inUnseen! + outSample!;
}

/** Whether it is a question to a silent peer, which the machine may send in addition. */
function isQuestion(b: Uint8Array, start: number): boolean {
  return isBubble(b, start) || (nextHeader(b, start) === 58 && icmpv6Type(b, start) === 128);
}

function wrongHeaders(frame: Uint8Array, length: number, local: Endpoint): string | undefined {
  const ip = ETHERNET;
  const size = length - ip - 20;
  const isIpv4Right =
    frame[ip] === 0x45 &&
    frame[ip + 1] === 0 &&
    readUint16(frame, ip + 2) === length - ip &&
    readUint16(frame, ip + 6) === 0 &&
    frame[ip + 8] === 64 &&
    frame[ip + 9] === 17 &&
    internetChecksum(frame, ip, ip + 20) === 0;
  if (!isIpv4Right) return 'carried with a wrong IPv4 header';
  if (readUint32(frame, ip + 12) !== local.address || readUint16(frame, ip + 20) !== local.port)
    return 'carried from elsewhere';
  if (readUint16(frame, ip + 24) !== size) return 'carried with a wrong UDP length';
  const isSummed =
    readUint16(frame, ip + 26) === 0 ||
    internetChecksum(frame, ip + 20, length, udpSeed(frame, ip, size)) === 0;
  return isSummed ? undefined : 'carried with a wrong UDP checksum';
}

function isForHost(frame: Uint8Array): boolean {
  return readUint32(frame, 0) === 0 && readUint16(frame, 4) === 0;
}
