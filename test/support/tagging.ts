import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { Memory } from '../../src/linux/libc.ts';

const BPF_PROG_TYPE_SCHED_CLS = 3;
/** 0x8100 in the order of the network. */
const TAG_PROTOCOL = 0x0081;
const BPF_SKB_VLAN_PUSH = 18;
/** TCX_NEXT: the program behind it decides. */
const NEXT = -1;
/** struct bpf_insn of `register = number`, of a helper's call, and of the end. */
const [MOVE, CALL, EXIT] = [0xb7, 0x85, 0x95];

/** The descriptor of a program at tc that gives each frame a VLAN tag in the form in which a driver hides it. */
export function loadTagging(tag: number): number {
  const steps: [code: number, register: number, number: number][] = [
    [MOVE, 2, TAG_PROTOCOL],
    [MOVE, 3, tag],
    [CALL, 0, BPF_SKB_VLAN_PUSH],
    [MOVE, 0, NEXT],
    [EXIT, 0, 0],
  ];
  const instructions = new Memory(8 * steps.length);
  for (const [i, [code, register, number]] of steps.entries()) {
    instructions.bytes[8 * i] = code;
    instructions.bytes[8 * i + 1] = register;
    instructions.view.setInt32(8 * i + 4, number, true);
  }
  const { address } = instructions;
  return check(
    'bpf_prog_load',
    libbpf().loadInstructions(BPF_PROG_TYPE_SCHED_CLS, 'tagging', 'GPL', address, steps.length, 0),
  );
}
