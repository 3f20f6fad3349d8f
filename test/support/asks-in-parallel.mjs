/**
 * A worker thread that runs a program on one frame many times (BPF_PROG_TEST_RUN) and says how often each verdict was given. Its data: the
 * program's descriptor, the frame, and the number of runs.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { libbpf } from '../../dist/linux/bpf/libbpf.js';
import { Memory } from '../../dist/linux/libc.js';

const { program, frame, runs } = workerData;
const [input, output, options] = [frame.length, frame.length + 256, 80].map((size) => new Memory(size));
input.bytes.set(frame);
options.setPointer(0, 80); // struct bpf_test_run_opts
options.setPointer(8, input.address);
options.setPointer(16, output.address);
const verdicts = {};
for (let i = 0; i < runs; i++) {
  options.view.setUint32(24, frame.length, true);
  options.view.setUint32(28, output.bytes.length, true);
  if (libbpf().testRun(program, options.address) < 0) throw new Error('BPF_PROG_TEST_RUN');
  const verdict = options.view.getInt32(56, true);
  verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
}
// eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort.postMessage(verdicts);
