import type { BucketLimits } from '../token-buckets.ts';
import { CONTACT_LIMITS } from '../contacts.ts';
import type { ContactLimits } from '../contacts.ts';
import type { PeerLimits } from '../peer-table.ts';

/** Bounds on whatever an outsider can make the client do or remember. */
export interface ClientLimits {
  /** Peers that have proven themselves (CL-6), and those that have not. */
  readonly peers: PeerLimits;
  /** Packets that wait for a contact. CL-68 */
  readonly queue: ContactLimits;
  /** Packets of unverified sources that wait for a connectivity test, with `strictUnverified`. A-25 */
  readonly held: ContactLimits;
  /**
   * Contacts and tests that strangers cause by their packets, or by the answers of this host to them, all together. In addition, answers have half as
   * much, and trusted peers that have moved to another relay four times as much. CL-124
   */
  readonly unsolicitedTests: BucketLimits;
  /** Bubbles in answer to bubbles, to each IPv4 address. */
  readonly bubbleReplies: BucketLimits;
  /** Bubbles of our own attempts straight to each mapped IPv4 address. An answered one earns two. CL-90 */
  readonly directBubbles: BucketLimits;
  /** Bubbles of our own attempts through each server: the owner of an address chooses the server that it names. CL-92 */
  readonly indirectBubbles: BucketLimits;
  /** Sockets for single peers, behind a symmetric NAT. RFC 6081 section 5.4 */
  readonly randomPorts: number;
  /**
   * Guesses of ports, up to 1,700 bubbles each, all together (half of them for peers that this host does not want to reach), and by the
   * IPv4 address that they go to: two in 300 s. Those between NATs that count cost a quarter. docs/adr/0016
   */
  readonly guesses: BucketLimits;
  readonly guessesByAddress: BucketLimits;
  /** Answers to discovery bubbles, all together. */
  readonly discoveryReplies: BucketLimits;
  /** ICMPv6 errors to the local stack. RFC 4443 section 2.4 (f). */
  readonly icmpErrors: BucketLimits;
}

export const CLIENT_LIMITS: ClientLimits = {
  peers: { trusted: 65_536, unverified: 4_096 },
  queue: CONTACT_LIMITS,
  held: { packetsPerPeer: 8, bytesPerPeer: 16 << 10, bytes: 1 << 20 },
  unsolicitedTests: { perSecond: 10, burst: 50 },
  bubbleReplies: { perSecond: 10, burst: 100 },
  directBubbles: { perSecond: 20, burst: 200 },
  indirectBubbles: { perSecond: 50, burst: 500 },
  randomPorts: 512,
  guesses: { perSecond: 0.1, burst: 4 },
  guessesByAddress: { perSecond: 1 / 300, burst: 2 },
  discoveryReplies: { perSecond: 10, burst: 50 },
  icmpErrors: { perSecond: 10, burst: 20 },
};
