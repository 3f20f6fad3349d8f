import { EntryBatches } from './entry-batches.ts';
import { MAX_PREFIXES, PREFIX_TALLIES } from './layout.ts';
import { libbpf } from './libbpf.ts';

const PREFIX = 8;

/** The tallies of native prefixes that the programs have made. */
export class PrefixMap {
  private readonly lib = libbpf();
  private readonly fd: number;
  private readonly batches = new EntryBatches(PREFIX, PREFIX_TALLIES.SIZE, MAX_PREFIXES);
  private readonly buffer = new Uint8Array(PREFIX * MAX_PREFIXES);
  private readonly received = new Uint32Array(MAX_PREFIXES);
  private readonly sent = new Uint32Array(MAX_PREFIXES);

  constructor(fd: number) {
    this.fd = fd;
  }

  /** The tallies since the last call, as columns; they are valid until the next call. Throws a SystemCallError. */
  take(): { count: number; buffer: Uint8Array; received: Uint32Array; sent: Uint32Array } {
    const { buffer, received, sent } = this;
    let count = 0;
    this.batches.walk(this.lib.takeBatch, this.fd, (prefix, values, at) => {
      if (count === MAX_PREFIXES) return; // others have come while the table was read
      buffer.set(prefix, PREFIX * count);
      received[count] = values.getUint32(at + PREFIX_TALLIES.received, true);
      sent[count] = values.getUint32(at + PREFIX_TALLIES.sent, true);
      count++;
    });
    return { count, buffer, received, sent };
  }
}
