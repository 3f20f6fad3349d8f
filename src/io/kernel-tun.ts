import { Slab, addressOfSlab } from '../linux/slab.ts';
import { countFailure } from '../linux/failures.ts';
import type { Failures } from '../linux/failures.ts';
import type { Gather } from '../linux/gather.ts';
import { TunDevice, VNET } from '../linux/tun.ts';
import { PacketMerger } from './packet-merger.ts';
import type { PacketBatch, Tun } from './ports.ts';
import { TunReader } from './tun-reader.ts';
import { LARGEST } from './waiting-packets.ts';

/** A TUN interface of the kernel. Packets cross between process and kernel in super-packets if possible. */
export class KernelTun implements Tun {
  readonly name: string;
  readonly counters = {
    readPackets: 0,
    readBytes: 0,
    markedPackets: 0,
    writtenPackets: 0,
    writtenBytes: 0,
    readFailures: {} as Failures,
    writeFailures: {} as Failures,
  };

  private readonly device: TunDevice;
  private readonly copy: Slab;
  private readonly merger: PacketMerger;
  private readonly reader: TunReader;
  private closed = false;

  /**
   * `kept`: the descriptor of the open interface, to be taken over; `device`: see {@link TunDevice}. Throws a SystemCallError: of `open` if there is
   * no /dev/net/tun, of `TUNSETIFF` if the name cannot be used; nothing stays open then.
   */
  constructor(name: string, kept?: number, device?: number) {
    this.device = new TunDevice(name, kept, device);
    this.name = this.device.name;
    try {
      this.copy = new Slab(1, LARGEST, 0);
      this.merger = new PacketMerger(this.device.takesUdpSegments, (pieces, segments) =>
        this.writePieces(pieces, segments),
      );
      this.reader = new TunReader((address, size) => this.device.read(address, size), this.counters);
    } catch (error) {
      this.device.close();
      throw error;
    }
  }

  get fd(): number {
    return this.device.fd;
  }

  start(onPackets: (batch: PacketBatch) => void, onLost: (error: Error) => void): void {
    this.reader.start(onPackets);
    this.device.start(
      () => this.reader.turn(),
      () => {
        this.close();
        onLost(new Error(`the interface ${this.name} was removed`));
      },
    );
  }

  write(buffer: Uint8Array, offset: number, length: number): void {
    if (this.closed) return;
    if (addressOfSlab(buffer) !== undefined) {
      this.merger.add(buffer, offset, length);
    } else {
      this.copy.bytes.set(buffer.subarray(offset, offset + length));
      this.merger.addAlone(this.copy.bytes, 0, length);
    }
  }

  flush(): void {
    if (!this.closed) this.merger.flush();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.device.close();
    this.reader.close();
    this.copy.release();
  }

  private writePieces(pieces: Gather, segments: number): void {
    const { counters } = this;
    const error = this.device.write(pieces);
    if (error === 0) {
      counters.writtenPackets += segments;
      counters.writtenBytes += pieces.length - VNET.LENGTH;
    } else {
      countFailure(counters.writeFailures, error, segments);
    }
  }
}
