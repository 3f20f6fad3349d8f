/** The ECN field: the two lowest bits of a TOS octet or a traffic class. RFC 3168 section 5 */
const ECN = { NOT_ECT: 0, ECT1: 1, ECT0: 2, CE: 3 } as const;
const MASK = 3;

/**
 * The ECN field of a packet that leaves a tunnel, from its own field (`inner`) and that of the outer packet. -1: drop the packet, because
 * its sender would not understand the mark. RFC 6040 section 4.2. `combine_ecn` of bpf/teredo.bpf.c does the same. N-8
 */
export function combineEcn(inner: number, outer: number): number {
  if (inner === ECN.NOT_ECT) return outer === ECN.CE ? -1 : ECN.NOT_ECT;
  if (outer === ECN.CE || inner === ECN.CE) return ECN.CE;
  return inner === ECN.ECT0 && outer === ECN.ECT1 ? ECN.ECT1 : inner;
}

/**
 * Sets the ECN field of the IPv6 packet at `o` according to the TOS octet of the outer packet. False: the packet has to be dropped; it is
 * unchanged.
 */
export function takeOuterEcn(b: Uint8Array, o: number, tos: number): boolean {
  const outer = tos & MASK;
  if (outer === ECN.NOT_ECT) return true; // changes no packet; no Teredo sender sets another value (N-1)
  const second = b[o + 1]!;
  const inner = (second >> 4) & MASK;
  const combined = combineEcn(inner, outer);
  if (combined < 0) return false;
  if (combined !== inner) b[o + 1] = (second & ~(MASK << 4)) | (combined << 4);
  return true;
}

/** Marks the IPv6 packet at `o` (CE), if its sender understands that. False: it does not. RFC 3168 section 5 */
export function markCongestion(b: Uint8Array, o: number): boolean {
  if (((b[o + 1]! >> 4) & MASK) === ECN.NOT_ECT) return false;
  b[o + 1] = b[o + 1]! | (ECN.CE << 4);
  return true;
}
