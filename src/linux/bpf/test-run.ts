import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';

/** TC_ACT_UNSPEC and TC_ACT_REDIRECT: left to whoever comes next, carried. */
export const VERDICT = { goOn: -1, carried: 7, dropped: 2 } as const;

const OPTIONS = {
  SIZE: 80,
  in: 8,
  out: 16,
  inSize: 24,
  outSize: 28,
  context: 32,
  contextSize: 48,
  result: 56,
} as const;
/** struct __sk_buff, as far as it is used. */
const CONTEXT = { SIZE: 184, gsoSize: 176 } as const;
const ROOM = 256;

export interface TestRun {
  readonly verdict: number;
  /** The frame as the program left it. */
  readonly frame: Uint8Array;
}

/**
 * Runs a program once on an Ethernet frame that goes nowhere (BPF_PROG_TEST_RUN). `gsoSize`: the frame says that it is several packets with
 * so many octets each, but not of which protocol. Throws a SystemCallError.
 */
export function testRun(program: number, frame: Uint8Array, gsoSize = 0): TestRun {
  const input = new Memory(frame.length);
  input.bytes.set(frame);
  const output = new Memory(frame.length + ROOM);
  const context = new Memory(CONTEXT.SIZE);
  context.view.setUint32(CONTEXT.gsoSize, gsoSize, true);
  const options = new Memory(OPTIONS.SIZE); // struct bpf_test_run_opts
  options.setPointer(0, OPTIONS.SIZE);
  options.setPointer(OPTIONS.in, input.address);
  options.setPointer(OPTIONS.out, output.address);
  options.view.setUint32(OPTIONS.inSize, frame.length, true);
  options.view.setUint32(OPTIONS.outSize, output.bytes.length, true);
  if (gsoSize > 0) {
    options.setPointer(OPTIONS.context, context.address);
    options.view.setUint32(OPTIONS.contextSize, CONTEXT.SIZE, true);
  }
  check('BPF_PROG_TEST_RUN', libbpf().testRun(program, options.address));
  return {
    verdict: options.view.getInt32(OPTIONS.result, true),
    frame: output.bytes.slice(0, options.view.getUint32(OPTIONS.outSize, true)),
  };
}
