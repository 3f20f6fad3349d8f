import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SystemCallError } from '../linux/errors.ts';
import { errno, sys } from '../linux/libc.ts';
import type { Handover } from './ports.ts';

const MFD_CLOEXEC = 1;
/** Mark and version of the header, time of writing (CLOCK_MONOTONIC, ns), length and checksum of the contents. */
const MARK = 0x7465_0001;
const [TIME, LENGTH, SUM, HEADER] = [8, 16, 20, 24];
/** More than the state of the most peers that a role can have. */
const MOST_BYTES = 256 << 20;

/** A file in memory that outlives the process in the service manager's store, and passes a role's state to its successor. */
export class KeptState implements Handover {
  readonly left: Handover['left'];
  readonly fd: number;

  /** `kept`: the file that a predecessor left. Without it a new one is made. Throws a SystemCallError. */
  constructor(kept: number | undefined) {
    this.fd = kept ?? sys.memfdCreate('teredo-state', MFD_CLOEXEC);
    if (this.fd < 0) throw new SystemCallError('memfd_create', errno());
    this.left = kept === undefined ? undefined : readState(kept);
  }

  leave(state: Uint8Array): void {
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(MARK);
    header.writeBigInt64LE(process.hrtime.bigint(), TIME);
    header.writeUInt32LE(state.length, LENGTH);
    header.writeUInt32LE(crc32(state), SUM);
    // A process that is killed in between leaves a header that does not fit the contents.
    writeSync(this.fd, state, 0, state.length, HEADER);
    writeSync(this.fd, header, 0, HEADER, 0);
    ftruncateSync(this.fd, HEADER + state.length);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Undefined: the file has no valid contents, for example because its writer was killed. */
export function readState(fd: number): Handover['left'] {
  try {
    const header = Buffer.alloc(HEADER);
    const isWhole = readSync(fd, header, 0, HEADER, 0) === HEADER;
    const length = header.readUInt32LE(LENGTH);
    if (!isWhole || header.readUInt32LE() !== MARK || length > MOST_BYTES) return undefined;
    if (fstatSync(fd).size !== HEADER + length) return undefined;
    const state = Buffer.alloc(length);
    if (readSync(fd, state, 0, length, HEADER) !== length) return undefined;
    if (crc32(state) !== header.readUInt32LE(SUM)) return undefined;
    const agoMs = Number(process.hrtime.bigint() - header.readBigInt64LE(TIME)) / 1e6;
    return agoMs < 0 ? undefined : { state, agoMs };
  } catch {
    return undefined; // no file that can be read at any place
  }
}
