/**
 * A server or relay machine whose whole environment is the test: the test gives the input, gets the output as values, and sets
 * a clock that jumps from timeout to timeout.
 */
import type { CommandExecutor } from '../../src/core/commands.ts';
import { MALFORMED } from '../../src/core/decode-counters.ts';
import { HEADROOM } from '../../src/core/machine.ts';
import type { Machine } from '../../src/core/machine.ts';
import { IPV6_HEADER, writeIpv6Header } from '../../src/wire/index.ts';
import type { Endpoint, Ipv6 } from '../../src/wire/index.ts';
import { Sent, offloadLog } from './client-rig.ts';

/** Datagrams refused by the decoder, for any reason. */
export function malformed(counters: Readonly<Record<(typeof MALFORMED)[number], number>>): number {
  return MALFORMED.reduce((sum, name) => sum + counters[name], 0);
}

export class MachineRig<M extends Machine> implements CommandExecutor {
  readonly machine: M;
  now = 10_000;
  sent: Sent[] = [];
  delivered: Uint8Array[] = [];
  /** As in ClientRig. */
  offloads: string[] = [];
  private readonly buffer = new Uint8Array(70_000);

  constructor(machine: M) {
    this.machine = machine;
  }

  /** "bubble 192.0.2.1:4096" for each datagram sent. */
  get kinds(): string[] {
    return this.sent.map(({ summary }) => summary);
  }

  /** A datagram arrives. */
  receive(from: Endpoint, datagram: Uint8Array, socket = 0, tos = 0): this {
    const end = this.lend(datagram);
    const { address, port } = from;
    this.machine.handleDatagram(socket, this.buffer, HEADROOM, end, address, port, this.now, tos);
    return this.drain();
  }

  /** A packet comes from the IPv6 side. */
  offer(packet: Uint8Array): this {
    const end = this.lend(packet);
    this.machine.handlePacket(this.buffer, HEADROOM, end, this.now);
    return this.drain();
  }

  advance(milliseconds: number): this {
    const until = this.now + milliseconds;
    for (let due = this.machine.pollTimeout(); due <= until; due = this.machine.pollTimeout()) {
      this.now = Math.max(this.now, due);
      this.machine.handleTimeout(this.now);
      this.drain();
    }
    this.now = until;
    return this;
  }

  clear(): this {
    this.sent = [];
    this.delivered = [];
    this.offloads = [];
    return this;
  }

  transmit(
    socket: number,
    buffer: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
  ): void {
    this.sent.push(new Sent(socket, buffer.slice(start, end), address, port, this.now));
  }

  deliver(buffer: Uint8Array, start: number, end: number): void {
    this.delivered.push(buffer.slice(start, end));
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    heardAt: number,
    socket: number,
  ): void {
    offloadLog(this.offloads).offload(buffer, offset, address, port, heardAt, socket);
  }

  unload(buffer: Uint8Array, offset: number): void {
    offloadLog(this.offloads).unload(buffer, offset);
  }

  event(): void {}

  /** As a driver does: one buffer for all inputs, in which the octets around the input are not zero. */
  private lend(bytes: Uint8Array): number {
    const end = HEADROOM + bytes.length;
    this.buffer
      .fill(0xa5, 0, HEADROOM)
      .fill(0xa5, end, end + 32)
      .set(bytes, HEADROOM);
    return end;
  }

  protected drain(): this {
    this.machine.commands.drain(this);
    return this;
  }
}

/** An IPv6 packet with a payload of zeros. */
export function packetOf(source: Ipv6, destination: Ipv6, length = 8, nextHeader = 17): Uint8Array {
  const packet = new Uint8Array(IPV6_HEADER + length);
  writeIpv6Header(packet, 0, { payloadLength: length, nextHeader, hopLimit: 64, source, destination });
  return packet;
}

export function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
