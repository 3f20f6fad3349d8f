import { SystemCallError } from '../errors.ts';
import { UNWRAP } from './layout.ts';
import type { Unwrap } from './layout.ts';
import { Program } from './program.ts';
import { testRun } from './test-run.ts';
import { isShortage } from '../system-failures.ts';

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
  /** Why the driver's program (XDP) is not loaded; undefined: it is. */
  readonly withoutXdp: string | undefined;

  constructor(sizes: PeerSizes, unwrap: Unwrap, withoutXdp?: string) {
    super('teredo', sizes, { unwrapping: unwrap }, withoutXdp === undefined ? [] : ['decap_xdp']);
    this.unwrap = unwrap;
    this.withoutXdp = withoutXdp;
  }

  /** Whether this kernel can unwrap with these helpers, several packets as one included. */
  get isUsable(): boolean {
    const probe = this.program('probe');
    if (testRun(probe, SAMPLE).verdict !== 0) return false;
    return this.unwrap === UNWRAP.byOneCall || testRun(probe, SAMPLE, SOME_SIZE).verdict === 0;
  }
}

/**
 * The programs that carry peers' packets, with the first helpers for unwrapping that this kernel has. `withoutXdp`: why the driver's program is not
 * wanted. A kernel that refuses it may still take the others. Throws as {@link Program}, and an Error if it has no helpers.
 */
export function loadPeerProgram(
  sizes: PeerSizes,
  ways: readonly Unwrap[] = [UNWRAP.byOneCall, UNWRAP.byTwoCalls],
  withoutXdp?: string,
): PeerProgram {
  for (const unwrap of ways) {
    const program = load(sizes, unwrap, withoutXdp);
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

function load(sizes: PeerSizes, unwrap: Unwrap, withoutXdp: string | undefined): PeerProgram {
  if (withoutXdp !== undefined) return new PeerProgram(sizes, unwrap, withoutXdp);
  try {
    return new PeerProgram(sizes, unwrap);
  } catch (error) {
    if (!(error instanceof SystemCallError) || isShortage(error)) throw error;
    const needs = error.code === 'EACCES' ? ' without CAP_PERFMON' : '';
    return new PeerProgram(sizes, unwrap, `this kernel refuses the program${needs} (${error.code})`);
  }
}
