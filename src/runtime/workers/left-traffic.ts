import { TokenBuckets } from '../../core/token-buckets.ts';
import type { Entropy } from '../../core/entropy.ts';
import { HEADROOM } from '../../core/machine.ts';
import type { DatagramBatch, PacketBatch } from '../../io/ports.ts';
import type { PortCounters } from '../port-counters.ts';
import type { LeftMessage } from './client-messages.ts';

/** Most of them that a worker passes on: a sender cannot have threads copy without end. */
const LIMITS = { perSecond: 2_000, burst: 256 };
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
  private readonly tokens: TokenBuckets;
  private readonly dropped = { datagrams: 0, packets: 0 };

  constructor(entropy: Entropy) {
    this.tokens = new TokenBuckets(LIMITS, entropy, 1);
  }

  /** Those that were dropped because of the limit. */
  get counters(): PortCounters {
    const { datagrams, packets } = this.dropped;
    return {
      ...(datagrams > 0 ? { 'udpReceiveFailures.STRAYS': datagrams } : {}),
      ...(packets > 0 ? { 'tunReadFailures.STRAYS': packets } : {}),
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
    if (this.pays(end - start, now)) this.datagrams.push({ bytes: b.slice(start, end), address, port, tos });
    else this.dropped.datagrams++;
  }

  addPacket(b: Uint8Array, start: number, end: number, now: number): void {
    if (this.pays(end - start, now)) this.packets.push(b.slice(start, end));
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

  private pays(octets: number, now: number): boolean {
    return octets <= LONGEST && this.tokens.take(0, 0, now);
  }
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
