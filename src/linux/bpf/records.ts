import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';

/** Removes an element of a map with keys of 32 bits, if it is there. */
export function removeRecord(fd: number, key: number): void {
  const memory = new Memory(4);
  memory.view.setUint32(0, key, true);
  libbpf().delete(fd, memory.address);
}

/** Writes element `index` of an array map, or of another map with keys of 32 bits. Throws a SystemCallError. */
export function writeRecord(
  fd: number,
  index: number,
  size: number,
  write: (view: DataView, bytes: Uint8Array) => void,
): void {
  const key = new Memory(4);
  key.view.setUint32(0, index, true);
  const value = new Memory(size);
  write(value.view, value.bytes);
  check('bpf_map_update_elem', libbpf().update(fd, key.address, value.address, 0));
}
