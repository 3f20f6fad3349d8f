import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SystemCallError } from '../linux/errors.ts';
import { errno, sys } from '../linux/libc.ts';
import type { Handover, PredecessorState, NextState } from './ports.ts';
import { survive } from './system-failures.ts';

const MFD_CLOEXEC = 1;
/** Mark and version of the header, time of writing (CLOCK_MONOTONIC, ns), place, length and checksum of the contents. */
const MARK = 0x7465_0002;
const [TIME, PLACE, LENGTH, SUM, HEADER] = [8, 16, 20, 24, 32];
/** More than the state of the most peers that a role can have. */
const MOST_BYTES = 256 << 20;
/** Contents may become longer than those before, by a part and so much: else the next ones do not fit in front of these. */
const MORE_BYTES = 64 << 10;
/** So much of a file is cut at a time: the kernel takes a millisecond for 8 MB. */
const CUT_BYTES = 4 << 20;

/**
 * A file in memory that outlives the process in the service manager's store, and passes a role's state to its successor. It keeps the latest state
 * that is whole: the next one is written behind it, or in front of it, and then the header names the place.
 */
export class KeptState implements Handover {
  readonly fd: number;
  private left: PredecessorState | undefined;
  private readonly readAt = performance.now();
  /** The contents that the header names. */
  private start = HEADER;
  private end = HEADER;
  private latest: Replacement | undefined;
  private isClosed = false;

  /** `kept`: the file that a predecessor left. Without it a new one is made. Throws a SystemCallError. */
  constructor(kept: number | undefined) {
    this.fd = kept ?? sys.memfdCreate('teredo-state', MFD_CLOEXEC);
    if (this.fd < 0) throw new SystemCallError('memfd_create', errno());
    this.left = kept === undefined ? undefined : readState(kept);
    if (this.left === undefined) return;
    const header = Buffer.alloc(HEADER);
    readSync(this.fd, header, 0, HEADER, 0);
    this.start = header.readUInt32LE(PLACE);
    this.end = this.start + header.readUInt32LE(LENGTH);
  }

  takeLeft(): PredecessorState | undefined {
    const { left } = this;
    this.left = undefined;
    return left && { ...left, agoMs: left.agoMs + performance.now() - this.readAt };
  }

  replace(about = 0): NextState {
    const { start, end } = this;
    const room = roomFor(Math.max(end - start, about));
    const behind = end === HEADER ? HEADER : Math.max(end, start + room);
    this.latest = new Replacement(
      this.fd,
      start - HEADER >= room ? HEADER : behind,
      start,
      behind,
      (next) => {
        if (this.latest !== next) return false;
        [this.start, this.end, this.latest] = [next.start, next.at, undefined];
        return true;
      },
      () => this.cut(),
    );
    return this.latest;
  }

  close(): void {
    this.isClosed = true;
    closeSync(this.fd);
  }

  /** Gives back the file behind the contents, some in each turn of the event loop, unless others are written meanwhile. */
  private cut(): void {
    if (this.isClosed || this.latest !== undefined) return;
    const size = Math.max(this.end, fstatSync(this.fd).size - CUT_BYTES);
    ftruncateSync(this.fd, size);
    if (size > this.end) setImmediate(() => survive(() => this.cut())).unref();
  }
}

function roomFor(length: number): number {
  return length + (length >> 2) + MORE_BYTES;
}

class Replacement implements NextState {
  start: number;
  at: number;
  private readonly fd: number;
  private readonly before: number;
  private readonly behind: number;
  private readonly isLatest: (self: Replacement) => boolean;
  private readonly onEnd: () => void;
  private readonly begunAt = process.hrtime.bigint();
  private sum = 0;

  /** Contents that begin in front of those `before` end there at most; else they move `behind` them. `isLatest`: they count from now on. `onEnd`: they are whole. */
  constructor(
    fd: number,
    start: number,
    before: number,
    behind: number,
    isLatest: (self: Replacement) => boolean,
    onEnd: () => void,
  ) {
    this.fd = fd;
    this.start = this.at = start;
    this.before = before;
    this.behind = behind;
    this.isLatest = isLatest;
    this.onEnd = onEnd;
  }

  add(part: Uint8Array): void {
    if (part.length === 0) return; // the sum of an empty buffer without memory is 0, whatever came before
    if (this.start < this.before && this.at + part.length > this.before) this.moveBehind();
    this.write(part);
    this.sum = crc32(part, this.sum);
  }

  end(): void {
    if (!this.isLatest(this)) return;
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(MARK);
    header.writeBigInt64LE(this.begunAt, TIME);
    header.writeUInt32LE(this.start, PLACE);
    header.writeUInt32LE(this.at - this.start, LENGTH);
    header.writeUInt32LE(this.sum, SUM);
    // A process that is killed before leaves the state that was there.
    writeSync(this.fd, header, 0, HEADER, 0);
    this.onEnd();
  }

  private write(part: Uint8Array): void {
    for (let done = 0; done < part.length;) {
      const count = writeSync(this.fd, part, done, part.length - done, this.at);
      done += count;
      this.at += count;
    }
  }

  /** They have become much longer than was expected. */
  private moveBehind(): void {
    const written = Buffer.alloc(this.at - this.start);
    readSync(this.fd, written, 0, written.length, this.start);
    this.start = this.at = this.behind;
    this.write(written);
  }
}

/** Undefined: the file has no valid contents. */
export function readState(fd: number): PredecessorState | undefined {
  try {
    const header = Buffer.alloc(HEADER);
    const isWhole = readSync(fd, header, 0, HEADER, 0) === HEADER;
    const [place, length] = [header.readUInt32LE(PLACE), header.readUInt32LE(LENGTH)];
    if (!isWhole || header.readUInt32LE() !== MARK || length > MOST_BYTES || place < HEADER) return undefined;
    if (fstatSync(fd).size < place + length) return undefined;
    const state = new Uint8Array(length); // a slice of a Buffer would be no copy, and keep all of it
    if (readSync(fd, state, 0, length, place) !== length) return undefined;
    if (crc32(state) !== header.readUInt32LE(SUM)) return undefined;
    const agoMs = Number(process.hrtime.bigint() - header.readBigInt64LE(TIME)) / 1e6;
    return agoMs < 0 ? undefined : { state, agoMs };
  } catch {
    return undefined; // no file that can be read at any place
  }
}
