/** Arrivals that crowd.bpf.c counts. */
import { readFileSync } from 'node:fs';
import { attach } from '../src/linux/bpf/attachment.ts';
import { check, libbpf } from '../src/linux/bpf/libbpf.ts';
import { Memory } from '../src/linux/libc.ts';

/** The same as in crowd.bpf.c. */
export const LANES = 12;
const HANDLE = 1;
/** Where packets arrive. */
export const [AT_CLIENTS, AT_NATIVE] = [0, 1];

/** Numbers of the programs' maps. */
export interface ArrivalMaps {
  readonly packets: number;
  readonly lastAt: number;
}

/** Loads and attaches the programs. */
export function watchArrivals(path: string): ArrivalMaps {
  const lib = libbpf();
  const loaded = lib.openFile(path, 0);
  if (loaded === 0) throw new Error(`${path} cannot be opened`);
  check('bpf_object__load', lib.load(loaded));
  for (const [program, name] of [
    ['clients', 'wan'],
    ['native', 'v6'],
  ] as const) {
    const ifindex = Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
    attach(check(program, lib.programFd(lib.findProgram(loaded, program))), ifindex, 'ingress', HANDLE);
  }
  const mapOf = (name: string): number => check(name, lib.mapFd(lib.findMap(loaded, name)));
  return { packets: mapOf('arrived'), lastAt: mapOf('arrived_at') };
}

export interface ArrivalCounter {
  readonly count: () => number;
  /** When the last packet arrived, by the clock of `process.hrtime`. */
  readonly lastAt: () => bigint;
}

/** Counts arrivals at a place, of clients in these lanes; all lanes by default. */
export function arrivalCounter(
  maps: ArrivalMaps,
  where: number,
  lanes = [...Array(LANES).keys()],
): ArrivalCounter {
  const lib = libbpf();
  const [key, value] = [new Memory(4), new Memory(8)];
  const read = (map: number, slot: number): bigint => {
    key.view.setUint32(0, slot, true);
    check('bpf_map_lookup_elem', lib.lookup(map, key.address, value.address));
    return value.view.getBigUint64(0, true);
  };
  return {
    count: () => lanes.reduce((sum, lane) => sum + Number(read(maps.packets, where * LANES + lane)), 0),
    lastAt: () => read(maps.lastAt, where),
  };
}

/** Leaves the processor to others for a moment. */
export function rest(ms = 0.2): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
