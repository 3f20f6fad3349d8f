import { SystemCallError } from './errors.ts';
import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { Poll } from './poll.ts';
import { Slab, addressOfSlab } from './slab.ts';

const BATCH = 64;
const BATCHES_A_TURN = 4;
/** More than any MTU a tunnel of ours has. */
const MAX_PACKET = 1_984;
/** IFNAMSIZ, less the zero at its end. */
const MAX_NAME = 15;
const O_RDWR_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x0001 | 0x1000;

export interface ReadBatch {
  count: number;
  readonly buffer: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
}

/** A TUN interface. Not persistent: it goes with the process, and its addresses and routes with it. */
export class TunDevice {
  readonly name: string;
  readonly counters = {
    readPackets: 0,
    readBytes: 0,
    writtenPackets: 0,
    writtenBytes: 0,
    readFailures: {} as Failures,
    writeFailures: {} as Failures,
  };

  private readonly fd: number;
  private readonly slab: Slab;
  private readonly copy = new Memory(65_536);
  private readonly batch: ReadBatch;
  private poll: Poll | undefined;
  private closed = false;

  /** Throws a SystemCallError: of `open` where there is no /dev/net/tun, of `TUNSETIFF` where the name is not to be had. */
  constructor(name: string, headroom: number) {
    const nameBytes = new TextEncoder().encode(name);
    // The kernel would cut it off.
    if (nameBytes.length > MAX_NAME) throw new SystemCallError('TUNSETIFF', E.EINVAL);
    this.fd = sys.open('/dev/net/tun', O_RDWR_NONBLOCK_CLOEXEC);
    if (this.fd < 0) throw new SystemCallError('open', errno());
    const request = new Memory(40); // struct ifreq
    request.bytes.set(nameBytes);
    request.view.setUint16(16, IFF_TUN_NO_PI, true);
    if (sys.ioctl(this.fd, TUNSETIFF, request.address) < 0) {
      const error = errno();
      sys.close(this.fd);
      throw new SystemCallError('TUNSETIFF', error);
    }
    this.name = new TextDecoder().decode(request.bytes.subarray(0, request.bytes.indexOf(0)));
    this.slab = new Slab(BATCH, MAX_PACKET, headroom);
    this.batch = {
      count: 0,
      buffer: this.slab.bytes,
      offsets: Uint32Array.from({ length: BATCH }, (_, i) => this.slab.start(i)),
      lengths: new Uint32Array(BATCH),
    };
  }

  start(onPackets: (batch: ReadBatch) => void, onLost: (error: Error) => void): void {
    this.poll = new Poll(this.fd, () => {
      for (let i = 0; i < BATCHES_A_TURN && !this.closed; i++) {
        const count = this.readBatch(onLost);
        if (count > 0) onPackets(this.batch);
        if (count < BATCH) return;
      }
    });
  }

  write(buffer: Uint8Array, offset: number, length: number): void {
    if (this.closed) return;
    const lent = addressOfSlab(buffer);
    let from: number;
    if (lent === undefined) {
      this.copy.bytes.set(buffer.subarray(offset, offset + length));
      from = this.copy.address;
    } else {
      from = lent + offset;
    }
    if (sys.write(this.fd, from, length) === length) {
      this.counters.writtenPackets++;
      this.counters.writtenBytes += length;
    } else {
      countFailure(this.counters.writeFailures, errno());
    }
  }

  /** Nothing waits: {@link write} hands over at once. */
  flush(): void {}

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.poll?.close();
    sys.close(this.fd);
    this.slab.release();
  }

  private readBatch(onLost: (error: Error) => void): number {
    const { batch, counters, slab } = this;
    let count = 0;
    while (count < BATCH) {
      const length = sys.read(this.fd, slab.memory.address + slab.start(count), MAX_PACKET);
      if (length > 0) {
        batch.lengths[count++] = length;
        counters.readBytes += length;
        continue;
      }
      const error = errno();
      if (error === E.EINTR) continue;
      if (error === E.EBADFD) {
        this.close();
        onLost(new Error(`the interface ${this.name} was removed`));
        return 0;
      }
      // EIO: the interface is down for now; nothing to read until it is up
      if (error !== E.EAGAIN && error !== E.EIO) countFailure(counters.readFailures, error);
      break;
    }
    counters.readPackets += count;
    batch.count = count;
    return count;
  }
}
