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
