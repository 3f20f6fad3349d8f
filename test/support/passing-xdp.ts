import { readFileSync } from 'node:fs';
import type { Namespace } from '../../src/lab/index.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { Memory } from '../../src/linux/libc.ts';

const BPF_PROG_TYPE_XDP = 6;
/** struct bpf_insn of `r0 = XDP_PASS` and `exit`. */
const [MOVE, EXIT, PASS] = [0xb7, 0x95, 2];

/** The descriptor of an XDP program that passes all packets. */
export function loadPassingXdp(): number {
  const instructions = new Memory(16);
  instructions.bytes[0] = MOVE;
  instructions.view.setInt32(4, PASS, true);
  instructions.bytes[8] = EXIT;
  const { address } = instructions;
  return check('bpf_prog_load', libbpf().loadInstructions(BPF_PROG_TYPE_XDP, 'pass', 'MIT', address, 2, 0));
}

/** Attaches such a program to the driver of an interface, as a veth needs it to take the frames that a driver at its other end gives back. */
export function passInDriver(host: Namespace, name: string): void {
  const [, id] = /^prog_id:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${loadPassingXdp()}`, 'utf8'))!;
  host.execute('bpftool', 'net', 'attach', 'xdpdrv', 'id', id!, 'dev', name);
}
