import type { PeerStatus } from './status.ts';

/** `traffic`: those with the most octets first; `heard`: those heard last first. */
export const PEER_ORDERS = ['traffic', 'heard'] as const;
export type PeerOrder = (typeof PEER_ORDERS)[number];

/** The first peers in this order. */
export function firstPeers(peers: readonly PeerStatus[], order: PeerOrder, count: number): PeerStatus[] {
  return peers.toSorted((a, b) => rankOf(b, order) - rankOf(a, order)).slice(0, count);
}

function rankOf({ receivedBytes, sentBytes, receivedSecondsAgo }: PeerStatus, order: PeerOrder): number {
  if (order === 'traffic') return receivedBytes + sentBytes;
  return receivedSecondsAgo === undefined ? -Number.MAX_VALUE : -receivedSecondsAgo;
}
