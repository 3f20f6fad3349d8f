import { E, Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';
import { Program } from './program.ts';
import { attachSteering } from './steering.ts';

/** struct place in bpf/share.bpf.c; the key is the peer's address. */
const [KEY_SIZE, VALUE_SIZE] = [16, 8];
const PLACE = { address: 0, port: 4, worker: 6 } as const;

/**
 * Has the kernel give the packets of some peers to another queue of a TUN, and another socket of a shared port, than the first ones
 * (bpf/share.bpf.c). Queues and sockets are numbered in the order in which they were opened.
 */
export class PeerSharing {
  private readonly program: Program<'share'>;
  private readonly map: number;
  private readonly key = new Memory(KEY_SIZE);
  private readonly value = new Memory(VALUE_SIZE);

  /** `most`: peers that it can have. Throws an Error without libbpf, a SystemCallError if the kernel refuses. */
  constructor(queues: readonly number[], sockets: readonly number[], most: number) {
    this.program = new Program('share', { places: most });
    try {
      const { program } = this;
      this.map = program.map('places');
      attachSteering(queues, sockets, program.program('to_peer'), program.program('from_peer'));
    } catch (error) {
      this.program.close();
      throw error;
    }
  }

  /**
   * Packets to the peer with the IPv6 address at `buffer[offset]`, and datagrams with its packets from this address and port, go to a worker.
   * Throws a SystemCallError if there is no room.
   */
  give(buffer: Uint8Array, offset: number, address: number, port: number, worker: number): void {
    const { view } = this.value;
    this.setKey(buffer, offset);
    view.setUint32(PLACE.address, address);
    view.setUint16(PLACE.port, port);
    view.setUint16(PLACE.worker, worker, true);
    check('bpf_map_update_elem', libbpf().update(this.map, this.key.address, this.value.address, 0));
  }

  /** They go to the first worker again. */
  takeBack(buffer: Uint8Array, offset: number): void {
    this.setKey(buffer, offset);
    const result = libbpf().delete(this.map, this.key.address);
    if (result !== -E.ENOENT) check('bpf_map_delete_elem', result);
  }

  /** The programs stay attached, and keep the last content of the map. */
  close(): void {
    this.program.close();
  }

  private setKey(buffer: Uint8Array, offset: number): void {
    this.key.bytes.set(buffer.subarray(offset, offset + KEY_SIZE));
  }
}
