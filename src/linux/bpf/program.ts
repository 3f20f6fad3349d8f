import { availableParallelism } from 'node:os';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SystemCallError } from '../errors.ts';
import { Memory, errno } from '../libc.ts';
import { KERNEL_COUNTERS } from './layout.ts';
import { check, libbpf } from './libbpf.ts';
import type { Libbpf } from './libbpf.ts';
import { testRun } from './test-run.ts';

/** From src/linux/bpf and from dist/linux/bpf it is the same way. */
const OBJECT = fileURLToPath(new URL('../../../bpf/teredo.bpf.o', import.meta.url));

export type ProgramName = 'encap' | 'decap' | 'probe';
export type MapName = 'config' | 'uplinks' | 'peers' | 'served' | 'reports' | 'counters';

export interface Sizes {
  readonly peers: number;
  readonly served: number;
  /** Bytes; a power of two and of pages. */
  readonly reports: number;
}

/** An Ethernet frame with nothing but an IPv4 and a UDP header in front of an empty IPv6 packet. */
const SAMPLE = new Uint8Array(14 + 28 + 40);
SAMPLE.set([8, 0, 0x45], 12);

/** The programs of the kernel path with maps of their own, in the kernel but attached to nothing. */
export class Program {
  private readonly lib: Libbpf;
  private object: number;
  private readonly processors = possibleProcessors();

  /** Throws an Error where there is no libbpf, a SystemCallError where the kernel does not want it. */
  constructor(sizes: Sizes) {
    this.lib = libbpf();
    this.object = this.lib.openFile(OBJECT, 0);
    if (this.object === 0) throw new SystemCallError('bpf_object__open_file', errno());
    try {
      for (const [name, entries] of Object.entries(sizes)) {
        const map = this.lib.findMap(this.object, name);
        check('bpf_map__set_max_entries', this.lib.setMaxEntries(map, entries));
      }
      check('bpf_object__load', this.lib.load(this.object));
      const { verdict } = testRun(this.program('probe'), SAMPLE);
      if (verdict !== 0) throw new Error('this kernel cannot unwrap IPv6 out of IPv4 (6.3 can)');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  program(name: ProgramName): number {
    return check(name, this.lib.programFd(this.lib.findProgram(this.object, name)));
  }

  map(name: MapName): number {
    return check(name, this.lib.mapFd(this.lib.findMap(this.object, name)));
  }

  /** What the programs have counted, all processors together. */
  readCounters(): Record<(typeof KERNEL_COUNTERS)[number], number> {
    const fd = this.map('counters');
    const key = new Memory(4);
    const values = new Memory(8 * this.processors);
    const counts = KERNEL_COUNTERS.map((name, i): [string, number] => {
      key.view.setUint32(0, i, true);
      if (this.lib.lookup(fd, key.address, values.address) < 0) return [name, 0];
      let sum = 0;
      for (let cpu = 0; cpu < this.processors; cpu++) sum += Number(values.view.getBigUint64(8 * cpu, true));
      return [name, sum];
    });
    return Object.fromEntries(counts) as Record<(typeof KERNEL_COUNTERS)[number], number>;
  }

  /** Takes the programs and maps out of the kernel, but for what is attached. Harmless when repeated. */
  close(): void {
    if (this.object !== 0) this.lib.close(this.object);
    this.object = 0;
  }
}

/** Values of per-CPU maps are as many as there could be processors. */
function possibleProcessors(): number {
  try {
    const ranges = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
    return Number(/(\d+)$/.exec(ranges)![1]) + 1;
  } catch {
    return availableParallelism();
  }
}
