import { libbpf } from '../../src/linux/bpf/libbpf.ts';
import { Memory } from '../../src/linux/libc.ts';

/** struct bpf_test_run_opts. */
const OPTIONS = { SIZE: 80, in: 8, out: 16, inSize: 24, outSize: 28, result: 56 } as const;
const ROOM = 256;

/** Runs programs on frames (BPF_PROG_TEST_RUN) with the same memory each time, so that millions of runs are possible. */
export class ProgramBench {
  /** The frame of the next run, from offset 0. */
  readonly frame: Uint8Array;
  /** The frame after the last run, {@link leftLength} octets. */
  readonly left: Uint8Array;
  leftLength = 0;
  private readonly input: Memory;
  private readonly output: Memory;
  private readonly options = new Memory(OPTIONS.SIZE);
  private readonly run32: Int32Array;
  private readonly testRun = libbpf().testRun;

  /** For frames of up to `most` octets. */
  constructor(most: number) {
    this.input = new Memory(most);
    this.output = new Memory(most + ROOM);
    this.frame = this.input.bytes;
    this.left = this.output.bytes;
    this.options.setPointer(0, OPTIONS.SIZE);
    this.options.setPointer(OPTIONS.in, this.input.address);
    this.options.setPointer(OPTIONS.out, this.output.address);
    this.run32 = new Int32Array(this.options.bytes.buffer);
  }

  /** The verdict of a program on the first `length` octets of {@link frame}. */
  run(program: number, length: number): number {
    const { run32 } = this;
    run32[OPTIONS.inSize >> 2] = length;
    run32[OPTIONS.outSize >> 2] = this.output.bytes.length;
    const error = this.testRun(program, this.options.address);
    if (error < 0) throw new Error(`BPF_PROG_TEST_RUN of ${length} octets: error ${-error}`);
    this.leftLength = run32[OPTIONS.outSize >> 2]!;
    return run32[OPTIONS.result >> 2]!;
  }
}
