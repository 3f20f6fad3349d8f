import koffi from 'koffi';
import { SystemCallError } from '../errors.ts';
import { errno, sys } from '../libc.ts';

const PAGE = sys.getpagesize();
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = -1;
/** BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, and the size of a record's header. */
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;
const RECORD_HEADER = 8;

/**
 * A BPF ring buffer, read without system calls: a page with the reader's position, a page with the kernel's, and the data mapped twice in a
 * row, so that each record is contiguous.
 */
export class ReportRing {
  private readonly size: number;
  private readonly consumer: number;
  private readonly producer: number;
  private readonly read: BigUint64Array;
  private readonly written: BigUint64Array;
  private readonly data: DataView;
  private readonly headers: Uint32Array;
  private closed = false;

  /** Throws a SystemCallError if it cannot be mapped. */
  constructor(fd: number, size: number) {
    this.size = size;
    this.consumer = map(PAGE, PROT_READ | PROT_WRITE, fd, 0);
    try {
      this.producer = map(PAGE + 2 * size, PROT_READ, fd, PAGE);
    } catch (error) {
      sys.munmap(this.consumer, PAGE);
      throw error;
    }
    this.read = new BigUint64Array(koffi.view(this.consumer, PAGE));
    const pages = koffi.view(this.producer, PAGE + 2 * size);
    this.written = new BigUint64Array(pages, 0, 1);
    this.data = new DataView(pages, PAGE);
    this.headers = new Uint32Array(pages, PAGE);
  }

  /** The part of its room that is taken, 0 to 1. */
  get fill(): number {
    if (this.closed) return 0;
    return Number(Atomics.load(this.written, 0) - Atomics.load(this.read, 0)) / this.size;
  }

  /** Calls back with each complete record, or the first `most` of them; it is valid until the callback returns. Returns their number. */
  drain(onRecord: (view: DataView, offset: number, length: number) => void, most = Infinity): number {
    if (this.closed) return 0;
    let at = Number(Atomics.load(this.read, 0));
    const end = Number(Atomics.load(this.written, 0));
    let count = 0;
    for (; at < end && count < most; count++) {
      const offset = at % this.size;
      const header = Atomics.load(this.headers, offset >> 2);
      if (header >= BUSY) break;
      if ((header & DISCARDED) === 0) {
        onRecord(this.data, offset + RECORD_HEADER, header);
      }
      at += (RECORD_HEADER + (header & ~DISCARDED) + 7) & ~7;
      Atomics.store(this.read, 0, BigInt(at));
    }
    return count;
  }

  /** Unmaps the memory; do not call {@link drain} afterwards. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.munmap(this.consumer, PAGE);
    sys.munmap(this.producer, PAGE + 2 * this.size);
  }
}

function map(length: number, protection: number, fd: number, offset: number): number {
  const address = sys.mmap(0, length, protection, MAP_SHARED, fd, offset);
  if (address === MAP_FAILED) throw new SystemCallError('mmap', errno());
  return address;
}
