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

/** Loads and attaches the programs; returns the table of arrivals. */
export function watchArrivals(path: string): number {
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
  return check('arrived', lib.mapFd(lib.findMap(loaded, 'arrived')));
}

/** Counts arrivals at a place, of clients in these lanes; all lanes by default. */
export function arrivalCounter(
  arrivals: number,
  where: number,
  lanes = [...Array(LANES).keys()],
): () => number {
  const lib = libbpf();
  const [key, value] = [new Memory(4), new Memory(8)];
  const one = (lane: number): number => {
    key.view.setUint32(0, where * LANES + lane, true);
    check('bpf_map_lookup_elem', lib.lookup(arrivals, key.address, value.address));
    return Number(value.view.getBigUint64(0, true));
  };
  return () => lanes.reduce((sum, lane) => sum + one(lane), 0);
}

/** Leaves the processor to others for a moment. */
export function rest(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.2);
}
