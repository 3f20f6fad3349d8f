import type { Entropy } from '../../core/entropy.ts';
import type { LimitHits } from '../../core/limit-hits.ts';
import { injectFrame } from '../../linux/bpf/inject.ts';
import type { PeerMap } from '../../linux/bpf/peer-map.ts';
import type { Program } from '../../linux/bpf/program.ts';
import { ProofMap } from '../../linux/bpf/proof-map.ts';
import type { KernelTime } from './kernel-time.ts';
import { PathProofs } from './path-proofs.ts';
import type { ProgramConfig } from './program-config.ts';

/** Between two notices; SPACING_UNITS in the programs. */
const NOTICE_SPACING_MS = 1_000;

interface ProofParts {
  readonly program: Program;
  readonly peers: PeerMap;
  readonly config: ProgramConfig;
  readonly time: KernelTime;
  readonly entropy: Entropy;
  readonly limitHits: LimitHits | undefined;
  /** The kernel has refused to send a request. */
  readonly onNotSent: () => void;
}

/** Proofs of paths for the peers in the kernel's table, by requests that the program `inject` sends. */
export function kernelProofs({
  program,
  peers,
  config,
  time,
  entropy,
  limitHits,
  onNotSent,
}: ProofParts): PathProofs {
  const inject = program.program('inject');
  return new PathProofs(
    {
      state: (peer) => {
        const state = peers.state(peer, time.nowNs);
        return state && { ...state, lastReceivedMs: time.toMs(state.lastReceived) };
      },
      setWay: (peer, way, failures, noticeAfterMs) =>
        peers.setWay(peer, way, failures, time.toNs(noticeAfterMs)),
      renewAt: (peer, atMs) => {
        const state = peers.state(peer, time.nowNs);
        const noticeAfterMs = atMs - config.renewalMs + NOTICE_SPACING_MS;
        if (state) peers.setWay(peer, state.way, state.failures, time.toNs(noticeAfterMs));
      },
    },
    new ProofMap(program.map('proofs')),
    (packet, way) => {
      const isSent = injectFrame(inject, packet, way);
      if (!isSent) onNotSent();
      return isSent;
    },
    entropy,
    undefined,
    limitHits,
  );
}
