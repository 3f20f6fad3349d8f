import { SystemCallError } from '../errors.ts';
import { Memory, errno, sys } from '../libc.ts';
import { Program } from './program.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_EBPF = 52;
/** Kernel 4.16. */
const TUNSETSTEERINGEBPF = 0x800454e0;

/** With which clients are divided among workers: random numbers, `factor` odd. */
export interface SteeringKey {
  readonly key: number;
  readonly factor: number;
}

/**
 * Has the kernel divide packets among workers by the client (bpf/steer.bpf.c): those that the host sends, among the `queues` of a TUN; those that
 * clients send, among the `sockets` of a shared port. Both in the order in which they were opened. Throws an Error without libbpf, a SystemCallError
 * if the kernel refuses.
 */
export function steerByClient(
  queues: readonly number[],
  sockets: readonly number[],
  { key, factor }: SteeringKey,
): void {
  const program = new Program('steer', {}, { key, factor, workers: queues.length });
  try {
    attachSteering(queues, sockets, program.program('to_client'), program.program('from_client'));
  } finally {
    program.close(); // attached ones stay
  }
}

/** `toQueue`, `toSocket`: the programs that choose. */
export function attachSteering(
  queues: readonly number[],
  sockets: readonly number[],
  toQueue: number,
  toSocket: number,
): void {
  const number = new Memory(4);
  number.view.setInt32(0, toQueue, true);
  if (sys.ioctl(queues[0]!, TUNSETSTEERINGEBPF, number.address) < 0)
    throw new SystemCallError('TUNSETSTEERINGEBPF', errno());
  number.view.setInt32(0, toSocket, true);
  if (sys.setsockopt(sockets[0]!, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, number.address, 4) < 0)
    throw new SystemCallError('SO_ATTACH_REUSEPORT_EBPF', errno());
}
