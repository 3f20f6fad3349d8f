import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';

/** TC_ACT_UNSPEC: left to the next program or the stack. TC_ACT_REDIRECT: carried. */
export const VERDICT = { goOn: -1, carried: 7, dropped: 2 } as const;
/** The same of a program in a driver: XDP_PASS, XDP_TX, XDP_DROP. */
export const DRIVER_VERDICT = { goOn: 2, carried: 3, dropped: 1 } as const;

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
/** The used fields of struct __sk_buff. */
const CONTEXT = { SIZE: 184, mark: 8, gsoSize: 176 } as const;
const ROOM = 256;

export interface TestRun {
  readonly verdict: number;
  /** The frame as the program left it. */
  readonly frame: Uint8Array;
}

/**
 * Runs a program once on an Ethernet frame that is then dropped (BPF_PROG_TEST_RUN). `gsoSize`: the frame claims to be several packets of
 * so many octets each, without a protocol. `mark`: the packet's mark. Throws a SystemCallError.
 */
export function testRun(program: number, frame: Uint8Array, gsoSize = 0, mark = 0): TestRun {
  return new TestRuns(program, frame.length).run(frame, gsoSize, mark);
}

/** Runs a program many times in the same memory, on frames of up to `longest` octets. */
export class TestRuns {
  private readonly program: number;
  private readonly input: Memory;
  private readonly output: Memory;
  private readonly context = new Memory(CONTEXT.SIZE);
  private readonly options = new Memory(OPTIONS.SIZE); // struct bpf_test_run_opts

  constructor(program: number, longest: number) {
    this.program = program;
    this.input = new Memory(longest);
    this.output = new Memory(longest + ROOM);
    this.options.setPointer(0, OPTIONS.SIZE);
    this.options.setPointer(OPTIONS.in, this.input.address);
    this.options.setPointer(OPTIONS.out, this.output.address);
  }

  /** Throws a SystemCallError. */
  run(frame: Uint8Array, gsoSize = 0, mark = 0): TestRun {
    const hasContext = gsoSize > 0 || mark > 0;
    const { options, output } = this;
    this.input.bytes.set(frame);
    options.view.setUint32(OPTIONS.inSize, frame.length, true);
    options.view.setUint32(OPTIONS.outSize, output.bytes.length, true);
    this.context.view.setUint32(CONTEXT.gsoSize, gsoSize, true);
    this.context.view.setUint32(CONTEXT.mark, mark, true);
    options.setPointer(OPTIONS.context, hasContext ? this.context.address : 0);
    options.view.setUint32(OPTIONS.contextSize, hasContext ? CONTEXT.SIZE : 0, true);
    check('BPF_PROG_TEST_RUN', libbpf().testRun(this.program, options.address));
    return {
      verdict: options.view.getInt32(OPTIONS.result, true),
      frame: output.bytes.slice(0, options.view.getUint32(OPTIONS.outSize, true)),
    };
  }
}
