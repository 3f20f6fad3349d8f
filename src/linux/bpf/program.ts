import { fileURLToPath } from 'node:url';
import { SystemCallError } from '../errors.ts';
import { E, Memory, errno } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';
import type { Libbpf } from './libbpf.ts';
import { possibleProcessors } from './processors.ts';

/** The programs and maps in each object of `bpf/`. */
interface Objects {
  readonly teredo: {
    readonly programs:
      | 'encap'
      | 'decap'
      | 'decap_bare'
      | 'decap_xdp'
      | 'merged'
      | 'inject'
      | 'amend'
      | 'offer'
      | 'probe';
    readonly maps:
      | 'config'
      | 'uplinks'
      | 'arrivals'
      | 'drivers'
      | 'pair_queues'
      | 'pair_looks'
      | 'ports'
      | 'peers'
      | 'served'
      | 'prefixes'
      | 'proofs'
      | 'reports'
      | 'counters';
    readonly constants: 'unwrapping';
  };
  readonly server: {
    readonly programs: 'serve' | 'serve_in_driver';
    readonly maps:
      | 'config'
      | 'alive_until'
      | 'decided_since'
      | 'driver_answers'
      | 'budgets'
      | 'buckets'
      | 'limit_hits'
      | 'access'
      | 'counters';
    readonly constants: never;
  };
  readonly steer: {
    readonly programs: 'to_client' | 'from_client';
    readonly maps: never;
    readonly constants: 'key' | 'factor' | 'workers';
  };
  readonly share: {
    readonly programs: 'to_peer' | 'from_peer';
    readonly maps: 'places';
    readonly constants: never;
  };
}

/** The programs of an object with their own maps, loaded but not attached. */
export class Program<O extends keyof Objects = 'teredo'> {
  private readonly lib: Libbpf;
  private object: number;
  private readonly processors = possibleProcessors();

  /**
   * `sizes`: sizes of maps that are chosen at run time, in entries, or in bytes of a ring (a power of two and of pages). `constants`:
   * 32-bit constants of the programs. `without`: programs that are not loaded. Throws an Error without libbpf, a SystemCallError if the kernel refuses.
   */
  constructor(
    object: O,
    sizes: Partial<Readonly<Record<Objects[O]['maps'], number>>>,
    constants: Partial<Readonly<Record<Objects[O]['constants'], number>>> = {},
    without: readonly Objects[O]['programs'][] = [],
  ) {
    this.lib = libbpf();
    // The relative path is the same from src/linux/bpf and from dist/linux/bpf.
    const file = fileURLToPath(new URL(`../../../bpf/${object}.bpf.o`, import.meta.url));
    this.object = this.lib.openFile(file, 0);
    if (this.object === 0) throw new SystemCallError('bpf_object__open_file', errno());
    try {
      for (const [name, entries] of Object.entries(sizes) as [string, number][]) {
        const map = this.lib.findMap(this.object, name);
        check('bpf_map__set_max_entries', this.lib.setMaxEntries(map, entries));
      }
      for (const [name, value] of Object.entries(constants) as [string, number][]) {
        const initial = new Memory(4);
        initial.view.setUint32(0, value, true);
        const map = this.lib.findMap(this.object, `.rodata.${name}`);
        check('bpf_map__set_initial_value', this.lib.setInitialValue(map, initial.address, 4));
      }
      for (const name of without) this.lib.setAutoload(this.lib.findProgram(this.object, name), false);
      check('bpf_object__load', this.lib.load(this.object));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  program(name: Objects[O]['programs']): number {
    return check(name, this.lib.programFd(this.lib.findProgram(this.object, name)));
  }

  map(name: Objects[O]['maps']): number {
    return check(name, this.lib.mapFd(this.lib.findMap(this.object, name)));
  }

  /** The counters of the programs, summed over all processors; `names` in the order of their array. One system call from kernel 5.13 on. */
  readCounters<Name extends string>(names: readonly Name[]): Record<Name, number> {
    const size = 8 * this.processors;
    const values = new Memory(size * names.length);
    if (!this.readAllCounters(names.length, values)) this.readEachCounter(names.length, values);
    const sumAt = (at: number): number => {
      let sum = 0;
      for (let cpu = 0; cpu < this.processors; cpu++)
        sum += Number(values.view.getBigUint64(at + 8 * cpu, true));
      return sum;
    };
    const counts = names.map((name, i): [string, number] => [name, sumAt(i * size)]);
    return Object.fromEntries(counts) as Record<Name, number>;
  }

  /** False where the kernel gives no more than one at a time, or not all now. */
  private readAllCounters(count: number, values: Memory): boolean {
    const [cursor, keys] = [new Memory(8), new Memory(4 * count)];
    const { address } = cursor;
    cursor.view.setUint32(4, count, true);
    const read = this.lib.lookupBatch(
      this.map('counters'),
      0,
      address,
      keys.address,
      values.address,
      address + 4,
      0,
    );
    return (read >= 0 || read === -E.ENOENT) && cursor.view.getUint32(4, true) === count;
  }

  private readEachCounter(count: number, values: Memory): void {
    const fd = this.map('counters');
    const key = new Memory(4);
    const size = 8 * this.processors;
    values.bytes.fill(0);
    for (let i = 0; i < count; i++) {
      key.view.setUint32(0, i, true);
      this.lib.lookup(fd, key.address, values.address + i * size);
    }
  }

  /** Unloads the programs and maps, except programs that are attached. Harmless when repeated. */
  close(): void {
    if (this.object !== 0) this.lib.close(this.object);
    this.object = 0;
  }
}
