import { UNWRAP } from './layout.ts';
import type { Unwrap } from './layout.ts';
import { Program } from './program.ts';
import { testRun } from './test-run.ts';

/** An Ethernet frame with nothing but an IPv4 and a UDP header in front of an empty IPv6 packet. */
const SAMPLE = new Uint8Array(14 + 28 + 40);
SAMPLE.set([8, 0, 0x45], 12);
/** The segment size of a sample that claims to be several packets. */
const SOME_SIZE = 1_000;

export interface PeerSizes {
  readonly peers: number;
  readonly served: number;
  readonly proofs: number;
  readonly reports: number;
}

/** The programs that carry peers' packets, with these helpers for unwrapping. Throws as {@link Program}. */
export class PeerProgram extends Program {
  readonly unwrap: Unwrap;

  constructor(sizes: PeerSizes, unwrap: Unwrap) {
    super('teredo', sizes, { unwrapping: unwrap });
    this.unwrap = unwrap;
  }

  /** Whether this kernel can unwrap with these helpers, several packets as one included. */
  get isUsable(): boolean {
    const probe = this.program('probe');
    if (testRun(probe, SAMPLE).verdict !== 0) return false;
    return this.unwrap === UNWRAP.byOneCall || testRun(probe, SAMPLE, SOME_SIZE).verdict === 0;
  }
}

/**
 * The programs that carry peers' packets, with the first helpers for unwrapping that this kernel has. Throws as {@link Program}, and an
 * Error if it has none.
 */
export function loadPeerProgram(
  sizes: PeerSizes,
  ways: readonly Unwrap[] = [UNWRAP.byOneCall, UNWRAP.byTwoCalls],
): PeerProgram {
  for (const unwrap of ways) {
    const program = new PeerProgram(sizes, unwrap);
    let isUsable = false;
    try {
      isUsable = program.isUsable;
    } finally {
      if (!isUsable) program.close();
    }
    if (isUsable) return program;
  }
  throw new Error('this kernel cannot unwrap IPv6 from IPv4; that needs Linux 5.15 or later');
}
