import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';

/** Writes element `index` of an array map. Throws a SystemCallError. */
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
