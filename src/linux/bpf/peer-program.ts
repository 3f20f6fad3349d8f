import { Program } from './program.ts';
import { testRun } from './test-run.ts';

/** An Ethernet frame with nothing but an IPv4 and a UDP header in front of an empty IPv6 packet. */
const SAMPLE = new Uint8Array(14 + 28 + 40);
SAMPLE.set([8, 0, 0x45], 12);

/** The programs that carry peers' packets. Throws as {@link Program}, and an Error where this kernel cannot unwrap. */
export function loadPeerProgram(sizes: {
  peers: number;
  served: number;
  proofs: number;
  reports: number;
}): Program {
  const program = new Program('teredo', sizes);
  const { verdict } = testRun(program.program('probe'), SAMPLE);
  if (verdict === 0) return program;
  program.close();
  throw new Error('this kernel cannot unwrap IPv6 out of IPv4 (6.3 can)');
}
