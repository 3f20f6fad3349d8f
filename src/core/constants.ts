/** Times are in milliseconds. */

/** RFC 4380 section 5.2.1: T, between two router solicitations. */
export const SOLICITATION_INTERVAL_MS = 4_000;
/** RFC 4380 section 5.2.1: N, solicitations in a phase. */
export const SOLICITATION_ATTEMPTS = 3;
/** RFC 4380 section 5.2, RFC 6081 section 5.1.1: the default refresh interval. */
export const REFRESH_INTERVAL_MS = 30_000;
/** RFC 4380 section 5.2: the randomized refresh interval is between these parts of the refresh interval. */
export const REFRESH_SHARE_LOW = 0.75;
export const REFRESH_SHARE_HIGH = 1;
/** RFC 4380 section 5.2.4: a peer from which a packet came within this time is valid. */
export const PEER_VALIDITY_MS = 30_000;
/** RFC 4380 section 5.2.4 case 3: how long a discovery bubble makes its sender a local peer. */
export const LOCAL_PEER_MEMORY_MS = 600_000;
/** RFC 4380 sections 5.2.4, 5.4.1: wait for an answer to a bubble or a connectivity test. */
export const CONTACT_TIMEOUT_MS = 2_000;
/** RFC 4380 sections 5.2.4, 5.4.1: one attempt and up to three repetitions. */
export const CONTACT_ATTEMPTS = 4;
/** A trusted peer, or a server, that has not answered packets for this long is asked whether it can still be reached. */
export const SILENCE_MS = 3_000;
/** The same for a peer that has not shown yet that it receives packets of this client. */
export const DOUBT_MS = 1_000;
/**
 * If a peer does not answer for this long, packets to it go to the machine, by the kernel path, until the peer is heard again. Shorter than
 * {@link SILENCE_MS}: the machine then has a packet in time to ask. bpf/teredo.h has the same number.
 */
export const CARRIED_SILENCE_MS = 2_000;
/** RFC 4380 section 5.2.6: least time between two bubbles to a peer. */
export const BUBBLE_SPACING_MS = 2_000;
/** RFC 4380 section 5.2.6: most bubbles to a peer that does not answer, within {@link BUBBLE_WINDOW_MS}. */
export const BUBBLE_BUDGET = 4;
export const BUBBLE_WINDOW_MS = 300_000;
/** RFC 4380 section 5.2.8: time between discovery bubbles, uniformly distributed between these. */
export const DISCOVERY_INTERVAL_LOW_MS = 200_000;
export const DISCOVERY_INTERVAL_HIGH_MS = 300_000;
/** RFC 4380 section 2.17: 224.0.0.253. */
export const DISCOVERY_GROUP = 0xe00000fd;
/** RFC 4380 section 5.1.2. */
export const TUNNEL_MTU = 1280;
/** RFC 4380 section 5.2.7. */
export const INTERVAL_FIRST_CANDIDATE_MS = 60_000;
export const INTERVAL_MAXIMUM_MS = 120_000;
/** Hop limit of bubbles and connectivity tests that this program sends. Windows uses this value; some filters do not accept 0. */
export const BUBBLE_HOP_LIMIT = 21;
/**
 * Of bubbles by which a client answers a peer through their relay (docs/adr/0017). The relay passes on no trailers, but it does pass on the hop
 * limit, less one. So the peer knows an answer from a question, and an answer is never answered.
 */
export const RELAYED_ANSWER_HOP_LIMIT = 11;
