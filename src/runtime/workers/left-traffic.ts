import type { Entropy } from '../../core/entropy.ts';
import { HEADROOM } from '../../core/machine.ts';
import type { DatagramBatch, PacketBatch } from '../../io/ports.ts';
import type { PortCounters } from '../port-counters.ts';
import { DESTINATION, IPV6_HEADER, readUint32 } from '../../wire/index.ts';
import type { LeftMessage } from './client-messages.ts';
import { LeftShares } from './left-shares.ts';

/** Octets of the longest. */
const LONGEST = 2_048;

interface LeftDatagram {
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly port: number;
  readonly tos: number;
}

/** Copies of the datagrams, and packets of the host, that a worker leaves to the first thread: those of one batch of inputs. */
export class LeftTraffic {
  private datagrams: LeftDatagram[] = [];
  private packets: Uint8Array[] = [];
  /** A sender cannot have threads copy without end. */
  private readonly shares: LeftShares;
  private readonly dropped = { datagrams: 0, packets: 0 };

  constructor(entropy: Entropy) {
    this.shares = new LeftShares(entropy);
  }

  /** Those that were dropped because of the limit. */
  get counters(): PortCounters {
    const { datagrams, packets } = this.dropped;
    return {
      ...(datagrams > 0 ? { 'udpReceiveFailures.LEFT': datagrams } : {}),
      ...(packets > 0 ? { 'tunReadFailures.LEFT': packets } : {}),
    };
  }

  // eslint-disable-next-line eslint/max-params -- as the machine has them
  addDatagram(
    b: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
    tos: number,
    now: number,
  ): void {
    if (end - start <= LONGEST && this.shares.takeDatagram(address, port, now))
      this.datagrams.push({ bytes: b.slice(start, end), address, port, tos });
    else this.dropped.datagrams++;
  }

  addPacket(b: Uint8Array, start: number, end: number, now: number): void {
    const isWhole = end - start >= IPV6_HEADER;
    const [high, low] = isWhole ? interfaceIdentifier(b, start + DESTINATION) : [0, 0];
    if (end - start <= LONGEST && this.shares.takePacket(high, low, now))
      this.packets.push(b.slice(start, end));
    else this.dropped.packets++;
  }

  /** Undefined: there are none. */
  take(): LeftMessage | undefined {
    const { datagrams, packets } = this;
    if (datagrams.length + packets.length === 0) return undefined;
    this.datagrams = [];
    this.packets = [];
    return { type: 'left', datagrams: datagramBatch(datagrams), packets: packetBatch(packets) };
  }
}

/** It differs from peer to peer: that of a Teredo address has the mapped port and address. */
function interfaceIdentifier(b: Uint8Array, address: number): [number, number] {
  return [readUint32(b, address + 8), readUint32(b, address + 12)];
}

function datagramBatch(datagrams: readonly LeftDatagram[]): DatagramBatch {
  return {
    ...packetBatch(datagrams.map(({ bytes }) => bytes)),
    addresses: Uint32Array.from(datagrams, ({ address }) => address),
    ports: Uint16Array.from(datagrams, ({ port }) => port),
    tos: Uint8Array.from(datagrams, ({ tos }) => tos),
  };
}

/** Each with the room in front of it that machines expect. */
function packetBatch(packets: readonly Uint8Array[]): PacketBatch {
  const lengths = Uint32Array.from(packets, ({ length }) => length);
  const offsets = new Uint32Array(packets.length);
  const buffer = new Uint8Array(lengths.reduce((sum, length) => sum + HEADROOM + length, 0));
  let end = 0;
  for (const [i, packet] of packets.entries()) {
    offsets[i] = end + HEADROOM;
    buffer.set(packet, offsets[i]);
    end = offsets[i] + packet.length;
  }
  return { count: packets.length, buffer, offsets, lengths };
}
